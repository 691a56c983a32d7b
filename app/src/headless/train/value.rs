//! `vernier train value`.

use std::path::PathBuf;

use clap::Args;
use vernier_engine::EngineError;
use vernier_engine::control_training::{NamedQuantity, ValueOptions, train_value};
use vernier_engine::measure::{Quantity, TextPair};

use super::pictures::{Pace, PictureArgs};
use super::tell::Teller;
use super::{catch_interrupts, checked_name, finish, is_done};
use crate::failure::Failure;

#[derive(Debug, Args)]
pub(in super::super) struct ValueArgs {
    #[command(flatten)]
    pub(super) pictures: PictureArgs,
    /// What the value measures: brightness, detail, realism, or two texts that CLIP chooses
    /// between, as "MORE|LESS"; repeatable, then as NAME:MORE|LESS
    #[arg(long = "quantity", value_name = "QUANTITY", required = true)]
    quantities: Vec<String>,
    /// Table of the pictures and their captions
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Tokens for each attribute [default: 32, or 8 for models with narrow text embeddings]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    tokens: Option<u8>,
    #[command(flatten)]
    pace: Pace,
}

/// Trains the value encoder that `args` ask for.
pub(super) fn run(args: &ValueArgs, teller: &mut Teller) -> Result<(), Failure> {
    let pictures = &args.pictures;
    let request = pictures.request()?;
    if is_done(
        pictures.unless_done,
        &request.out,
        &request.command,
        &request.model_folder,
    )? {
        teller.done_already(&request.out);
        return Ok(());
    }
    let quantities = args
        .quantities
        .iter()
        .map(|text| quantity(text, &request.name));
    let options = ValueOptions {
        quantities: quantities.collect::<Result<_, _>>()?,
        tokens: args.tokens.map(i64::from),
    };
    let folder = pictures.folder(args.csv.as_ref(), &[])?;
    let schedule = pictures.schedule(args.pace)?;
    let stop = catch_interrupts()?;
    let tell = &mut |news| teller.tell(&news);
    let end = train_value(&request, &options, &folder, &schedule, stop, tell)?;
    finish(&end, &request.out, teller)
}

/// A quantity as the command line takes it; two texts without a name have the control's.
fn quantity(text: &str, control: &str) -> Result<NamedQuantity, EngineError> {
    if let Some(quantity) = Quantity::named(text) {
        return Ok(NamedQuantity {
            name: text.to_owned(),
            quantity,
        });
    }
    let bad = || {
        EngineError::request(
            format!("quantity \"{text}\""),
            "is not one of brightness, detail, realism; two texts are written as MORE|LESS",
        )
    };
    let (before, less) = text.split_once('|').ok_or_else(bad)?;
    // A name is a word; what else stands before a colon belongs to the text.
    let (name, more) = match before.split_once(':') {
        Some((name, more)) if checked_name(name).is_ok() => (name, more),
        _ => (control, before),
    };
    let (more, less) = (more.trim(), less.trim());
    if more.is_empty() || less.is_empty() {
        return Err(bad());
    }
    Ok(NamedQuantity {
        name: name.to_owned(),
        quantity: Quantity::Contrast(TextPair::new(more, less)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_named_ones_or_two_texts() {
        let read = |text: &str| quantity(text, "look").unwrap();
        assert_eq!(read("brightness").quantity, Quantity::Brightness);
        assert!(matches!(read("realism").quantity, Quantity::Contrast(_)));
        let texts = |text: &str| {
            let NamedQuantity { name, quantity } = read(text);
            let Quantity::Contrast(TextPair { positive, negative }) = quantity else {
                panic!("{text}");
            };
            [name, positive, negative]
        };
        assert_eq!(
            texts("a calm sea | a wild sea"),
            ["look", "a calm sea", "a wild sea"]
        );
        assert_eq!(texts("calm:a calm sea|a wild sea")[0], "calm");
        assert_eq!(texts("a sea: calm|wild")[..2], ["look", "a sea: calm"]);
        for bad in ["beauty", "|wild", "calm| "] {
            assert!(quantity(bad, "look").is_err(), "{bad}");
        }
    }
}
