//! Wordings: what each value of each attribute is called, before and after the noun.

use crate::attributes::{Background, Continuous, Discrete, Kind};

/// Grades of a continuous attribute; grade `g` stands for the value `g / 6`.
pub(crate) const GRADES: usize = 7;

/// The grade nearest to a value.
pub(crate) fn grade(value: f32) -> usize {
    (value.clamp(0.0, 1.0) * (GRADES - 1) as f32).round() as usize
}

/// The value that a grade stands for.
pub(crate) fn graded_value(grade: usize) -> f32 {
    grade as f32 / (GRADES - 1) as f32
}

/// How a phrase after the noun is joined to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Join {
    /// Nothing between.
    Bare,
    /// "of ..."
    Of,
    /// "in ..."
    In,
    /// "with ..."
    With,
    /// "without ..."
    Without,
}

impl Join {
    /// The preposition.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Bare => "",
            Self::Of => "of",
            Self::In => "in",
            Self::With => "with",
            Self::Without => "without",
        }
    }
}

/// Adds the right article.
pub(crate) fn with_article(phrase: &str) -> String {
    format!("{} {phrase}", article(phrase))
}

/// The article before a phrase.
pub(crate) fn article(phrase: &str) -> &'static str {
    let vowel = phrase.starts_with(['a', 'e', 'i', 'o', 'u', '8']);
    if vowel && !phrase.starts_with("use") {
        "an"
    } else {
        "a"
    }
}

fn ladder(low: &str, middle: &str, high: &str, grade: usize) -> String {
    match grade {
        0 => format!("very {low}"),
        1 => low.to_owned(),
        2 => format!("fairly {low}"),
        3 => middle.to_owned(),
        4 => format!("fairly {high}"),
        5 => high.to_owned(),
        _ => format!("very {high}"),
    }
}

/// How many wordings [`before`] knows for an attribute.
pub(crate) fn wordings(attribute: Continuous) -> usize {
    match attribute {
        Continuous::Smile | Continuous::CarAge | Continuous::Size | Continuous::Realism => 2,
        _ => 1,
    }
}

/// The adjective for a grade.
pub(crate) fn before(attribute: Continuous, kind: Kind, grade: usize, wording: usize) -> String {
    let pick = |words: [&str; GRADES]| words[grade.min(GRADES - 1)].to_owned();
    match attribute {
        Continuous::Age => {
            let middle = if kind.is_child() {
                "average-aged"
            } else {
                "middle-aged"
            };
            ladder("young", middle, "old", grade)
        }
        Continuous::Smile if wording == 1 => ladder("sad", "neutral-faced", "happy", grade),
        Continuous::Smile => pick([
            "deeply frowning",
            "frowning",
            "slightly frowning",
            "neutral-faced",
            "slightly smiling",
            "smiling",
            "broadly smiling",
        ]),
        Continuous::EyeOpenness => pick([
            "closed-eyed",
            "sleepy-eyed",
            "narrow-eyed",
            "calm-eyed",
            "open-eyed",
            "big-eyed",
            "wide-eyed",
        ]),
        Continuous::HairLength => pick([
            "bald",
            "very short-haired",
            "short-haired",
            "medium-haired",
            "fairly long-haired",
            "long-haired",
            "very long-haired",
        ]),
        Continuous::FaceWidth => ladder("narrow-faced", "medium-faced", "wide-faced", grade),
        Continuous::CarWidth => ladder("narrow", "medium-wide", "wide", grade),
        Continuous::CarAge if wording == 1 => pick([
            "brand-new",
            "new",
            "fairly new",
            "used",
            "fairly rusty",
            "rusty",
            "very rusty",
        ]),
        Continuous::CarAge => ladder("new", "used", "old", grade),
        Continuous::Size if wording == 1 => pick([
            "tiny",
            "small",
            "fairly small",
            "medium-sized",
            "fairly big",
            "big",
            "huge",
        ]),
        Continuous::Size => ladder("small", "medium-sized", "large", grade),
        Continuous::Brightness => ladder("dim", "medium-bright", "bright", grade),
        Continuous::Warmth => ladder("cold", "neutral-toned", "warm", grade),
        Continuous::Detail => ladder("simple", "half-patterned", "patterned", grade),
        Continuous::Realism if wording == 1 => ladder("flat", "half-shaded", "realistic", grade),
        Continuous::Realism => ladder("flat", "half-shaded", "shaded", grade),
    }
}

/// The phrase after the noun for a grade.
pub(crate) fn after(attribute: Continuous, kind: Kind, grade: usize) -> (Join, String) {
    let pick = |words: [&str; GRADES]| words[grade.min(GRADES - 1)].to_owned();
    match attribute {
        Continuous::Age => {
            let middle = if kind.is_child() { "average" } else { "middle" };
            (
                Join::Of,
                format!("{} age", ladder("young", middle, "old", grade)),
            )
        }
        Continuous::Smile => (
            Join::With,
            pick([
                "a deep frown",
                "a frown",
                "a slight frown",
                "a neutral face",
                "a slight smile",
                "a smile",
                "a broad smile",
            ]),
        ),
        Continuous::EyeOpenness => (
            Join::With,
            pick([
                "closed eyes",
                "sleepy eyes",
                "narrow eyes",
                "calm eyes",
                "open eyes",
                "big eyes",
                "wide-open eyes",
            ]),
        ),
        Continuous::HairLength => (
            Join::With,
            pick([
                "a bald head",
                "very short hair",
                "short hair",
                "medium-length hair",
                "fairly long hair",
                "long hair",
                "very long hair",
            ]),
        ),
        Continuous::FaceWidth => (
            Join::With,
            format!("a {} face", ladder("narrow", "medium", "wide", grade)),
        ),
        Continuous::CarWidth => (
            Join::With,
            format!("a {} body", ladder("narrow", "medium-wide", "wide", grade)),
        ),
        Continuous::CarAge => (
            Join::In,
            format!("{} condition", ladder("new", "used", "old", grade)),
        ),
        Continuous::Size => (
            Join::Of,
            format!("{} size", ladder("small", "medium", "large", grade)),
        ),
        Continuous::Brightness => (
            Join::In,
            format!("{} light", ladder("dim", "medium", "bright", grade)),
        ),
        Continuous::Warmth => (
            Join::With,
            format!("{} colors", ladder("cold", "neutral", "warm", grade)),
        ),
        Continuous::Detail => (
            Join::With,
            format!(
                "{} surfaces",
                ladder("simple", "half-patterned", "patterned", grade)
            ),
        ),
        Continuous::Realism => (
            Join::Bare,
            format!("drawn {}", ladder("flat", "half-shaded", "shaded", grade)),
        ),
    }
}

/// The adjective for a value in percent.
pub(crate) fn percent_before(attribute: Continuous, percent: usize) -> String {
    let high = match attribute {
        Continuous::Age | Continuous::CarAge => "old",
        Continuous::Smile => "smiling",
        Continuous::EyeOpenness => "open-eyed",
        Continuous::HairLength => "long-haired",
        Continuous::FaceWidth => "wide-faced",
        Continuous::CarWidth => "wide",
        Continuous::Size => "large",
        Continuous::Brightness => "bright",
        Continuous::Warmth => "warm",
        Continuous::Detail => "patterned",
        Continuous::Realism => "shaded",
    };
    format!("{percent} percent {high}")
}

/// The phrase after the noun for a value in percent.
pub(crate) fn percent_after(attribute: Continuous, percent: usize) -> (Join, String) {
    let noun = match attribute {
        Continuous::Age | Continuous::CarAge => "age",
        Continuous::Smile => "smile",
        Continuous::EyeOpenness => "eye openness",
        Continuous::HairLength => "hair length",
        Continuous::FaceWidth => "face width",
        Continuous::CarWidth => "width",
        Continuous::Size => "size",
        Continuous::Brightness => "brightness",
        Continuous::Warmth => "warmth",
        Continuous::Detail => "detail",
        Continuous::Realism => "realism",
    };
    (Join::With, format!("{noun} {percent} percent"))
}

/// The adjective for a class; `None` for kind and background, which are no adjectives.
pub(crate) fn class_before(attribute: Discrete, class: usize) -> Option<String> {
    let name = attribute.classes().get(class)?;
    Some(match attribute {
        Discrete::Kind | Discrete::Background | Discrete::PlainColor => return None,
        Discrete::HairColor => format!("{name}-haired"),
        Discrete::SkinTone => format!("{name}-skinned"),
        Discrete::ClothesColor => format!("{name}-shirted"),
        Discrete::FurColor | Discrete::PaintColor => (*name).to_owned(),
        Discrete::Glasses => ["glasses-free", "bespectacled"][class].to_owned(),
        Discrete::Beard => ["clean-shaven", "bearded"][class].to_owned(),
        Discrete::Hat if class == 0 => "hatless".to_owned(),
        Discrete::Hat => format!("{name}-hatted"),
        Discrete::Material => ["smooth", "wooden", "metal", "stone", "glass"][class].to_owned(),
    })
}

/// The phrase after the noun for a class; `None` for kind and background.
pub(crate) fn class_after(attribute: Discrete, class: usize) -> Option<(Join, String)> {
    let name = attribute.classes().get(class)?;
    Some(match attribute {
        Discrete::Kind | Discrete::Background | Discrete::PlainColor => return None,
        Discrete::HairColor => (Join::With, format!("{name} hair")),
        Discrete::SkinTone => (Join::With, format!("{name} skin")),
        Discrete::ClothesColor => (Join::In, with_article(&format!("{name} shirt"))),
        Discrete::FurColor => (Join::With, format!("{name} fur")),
        Discrete::PaintColor => (Join::Bare, format!("painted {name}")),
        Discrete::Glasses if class == 0 => (Join::Without, "glasses".to_owned()),
        Discrete::Glasses => (Join::With, "glasses".to_owned()),
        Discrete::Beard if class == 0 => (Join::Without, "a beard".to_owned()),
        Discrete::Beard => (Join::With, "a beard".to_owned()),
        Discrete::Hat if class == 0 => (Join::Without, "a hat".to_owned()),
        Discrete::Hat => (Join::With, format!("a {name} hat")),
        Discrete::Material if class == 0 => (Join::With, "a smooth finish".to_owned()),
        Discrete::Material => (Join::Bare, format!("made of {name}")),
    })
}

/// Preposition and noun of a place; plain backgrounds are worded by the composer.
pub(crate) fn place(background: Background) -> (&'static str, &'static str) {
    match background {
        Background::Plain => ("on a", "background"),
        Background::Beach => ("on a", "beach"),
        Background::Forest => ("in a", "forest"),
        Background::City => ("in a", "city"),
        Background::Room => ("in a", "room"),
    }
}

/// Sentences about one or two subjects: `1` and `2` stand for the left and the right subject.
pub(crate) const PAIRS: [&str; 6] = [
    "1 next to 2",
    "1 and 2",
    "1 on the left and 2 on the right",
    "1 to the left of 2",
    "on the left 1 , on the right 2",
    "1 beside 2",
];

/// The same with the right subject named first.
pub(crate) const PAIRS_RIGHT_FIRST: [&str; 3] = [
    "2 on the right , 1 on the left",
    "2 to the right of 1",
    "on the right 2 , on the left 1",
];
