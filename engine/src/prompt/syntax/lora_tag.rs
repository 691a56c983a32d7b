//! Tags by which a prompt of AUTOMATIC1111's web UI names LoRAs: `<lora:NAME:WEIGHT>`.
//!
//! A second number is the weight for the U-Net alone, the first then that for the text encoder;
//! `te=X` and `unet=X` say the same by name. `<lyco:…>` is an older way to write the tag.

use std::ops::Range;

use crate::{EngineError, Result};

/// What tags may begin with.
const KINDS: [&str; 2] = ["<lora:", "<lyco:"];

/// One tag of a prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct LoraTag {
    /// The LoRA's name: its file's, without folder and ending.
    pub name: String,
    /// How strongly its part for the U-Net is added; 1 where the tag does not say.
    pub unet_weight: f64,
    /// The same of its part for the text encoder.
    pub text_weight: f64,
    /// Where the tag stands in the prompt.
    pub bytes: Range<usize>,
}

/// The tags of `prompt`, in reading order.
///
/// # Errors
/// A tag has no name, or something else than a number for a weight.
pub fn lora_tags(prompt: &str) -> Result<Vec<LoraTag>> {
    let places = tag_places(prompt).into_iter();
    places
        .map(|bytes| read(&prompt[bytes.clone()], bytes))
        .collect()
}

/// `prompt` without its tags.
pub fn without_tags(prompt: &str) -> String {
    let mut kept = String::with_capacity(prompt.len());
    let mut from = 0;
    for tag in tag_places(prompt) {
        kept.push_str(&prompt[from..tag.start]);
        from = tag.end;
    }
    kept.push_str(&prompt[from..]);
    kept.trim().to_owned()
}

/// Where tags stand in `prompt`, well written or not, in bytes.
pub fn tag_places(prompt: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(offset) = prompt[from..].find('<') {
        let start = from + offset;
        let is_tag = KINDS.iter().any(|kind| prompt[start..].starts_with(kind));
        let end = prompt[start..].find('>').filter(|_| is_tag);
        from = match end {
            Some(length) => {
                found.push(start..start + length + 1);
                start + length + 1
            }
            None => start + 1,
        };
    }
    found
}

fn read(tag: &str, bytes: Range<usize>) -> Result<LoraTag> {
    let refuse = |problem: &str| {
        let usual = "write <lora:NAME:0.8>";
        EngineError::request("prompt", format!("{tag} {problem}; {usual}"))
    };
    let inner = tag.trim_end_matches('>').split(':').skip(1);
    let (named, positional): (Vec<&str>, Vec<&str>) = inner.partition(|part| part.contains('='));
    let number = |text: &str| {
        let read = text.trim().parse::<f64>().ok();
        let read = read.filter(|number| number.is_finite());
        read.ok_or_else(|| refuse("has something else than a number for a weight"))
    };
    let name = positional.first().map_or("", |name| name.trim());
    if name.is_empty() {
        return Err(refuse("names no LoRA"));
    }
    let given = |at: usize, key: &str| {
        let said = named.iter().find_map(|part| part.trim().strip_prefix(key));
        said.or(positional.get(at).copied()).map(number).transpose()
    };
    let text_weight = given(1, "te=")?.unwrap_or(1.0);
    Ok(LoraTag {
        name: name.to_owned(),
        unet_weight: given(2, "unet=")?.unwrap_or(text_weight),
        text_weight,
        bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_and_taken_out() {
        let prompt = "a <lora:detail tweaker:0.8> (cat:1.2)<lyco:x:te=0.5:unet=-1> <tag> <lora:y";
        let tags = lora_tags(prompt).unwrap();
        let read: Vec<_> = tags
            .iter()
            .map(|tag| (tag.name.as_str(), tag.text_weight, tag.unet_weight))
            .collect();
        assert_eq!(read, [("detail tweaker", 0.8, 0.8), ("x", 0.5, -1.0)]);
        assert_eq!(&prompt[tags[0].bytes.clone()], "<lora:detail tweaker:0.8>");
        assert_eq!(without_tags(prompt), "a  (cat:1.2) <tag> <lora:y");
        let both = &lora_tags("<lora:z:0.2:0.7><lora:w>").unwrap();
        assert_eq!((both[0].text_weight, both[0].unet_weight), (0.2, 0.7));
        assert_eq!((both[1].text_weight, both[1].unet_weight), (1.0, 1.0));
    }

    #[test]
    fn what_is_no_number_is_named() {
        for (tag, problem) in [
            ("<lora:x:strong>", "something else than a number"),
            ("<lora:x:inf>", "something else than a number"),
            ("<lora::1>", "names no LoRA"),
        ] {
            let error = lora_tags(tag).unwrap_err();
            assert!(error.is_usage(), "{error}");
            let text = error.to_string();
            assert!(text.contains(tag) && text.contains(problem), "{text}");
        }
    }
}
