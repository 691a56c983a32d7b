//! What can be said about a scene: kinds, continuous attributes, discrete attributes.

use serde::{Deserialize, Serialize};

/// What a subject is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A grown-up man, head and shoulders.
    Man,
    /// A grown-up woman, head and shoulders.
    Woman,
    /// A boy, head and shoulders.
    Boy,
    /// A girl, head and shoulders.
    Girl,
    /// A cat, head and chest.
    Cat,
    /// A dog, head and chest.
    Dog,
    /// A robot, head and chest.
    Robot,
    /// A car, seen from the front.
    Car,
    /// A house.
    House,
    /// A cup with a handle.
    Cup,
    /// An apple.
    Apple,
}

impl Kind {
    /// Every kind, in class order.
    pub const ALL: [Self; 11] = [
        Self::Man,
        Self::Woman,
        Self::Boy,
        Self::Girl,
        Self::Cat,
        Self::Dog,
        Self::Robot,
        Self::Car,
        Self::House,
        Self::Cup,
        Self::Apple,
    ];

    /// The noun that captions use.
    pub fn noun(self) -> &'static str {
        KIND_NAMES[self as usize]
    }

    /// Whether this is a man, woman, boy or girl.
    pub fn is_person(self) -> bool {
        matches!(self, Self::Man | Self::Woman | Self::Boy | Self::Girl)
    }

    /// Whether this is a boy or a girl.
    pub fn is_child(self) -> bool {
        matches!(self, Self::Boy | Self::Girl)
    }

    /// Whether this is a cat or a dog.
    pub fn is_animal(self) -> bool {
        matches!(self, Self::Cat | Self::Dog)
    }

    /// Whether this kind has a face with eyes and a mouth.
    pub fn has_face(self) -> bool {
        self.is_person() || self.is_animal() || self == Self::Robot
    }
}

/// What lies behind the subjects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Background {
    /// One colour, see [`Discrete::PlainColor`].
    Plain,
    /// Sky, sea and sand.
    Beach,
    /// Fir trees and grass.
    Forest,
    /// A few large buildings and a road.
    City,
    /// A wall with a window and a picture, and a floor.
    Room,
}

impl Background {
    /// Every background, in class order.
    pub const ALL: [Self; 5] = [
        Self::Plain,
        Self::Beach,
        Self::Forest,
        Self::City,
        Self::Room,
    ];
}

/// An attribute with a value in `0.0..=1.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Continuous {
    /// People: youngest to oldest that the kind shows (a boy at 1 is a teenager, a man at 1 is
    /// wrinkled and greying).
    Age,
    /// People, animals, robots: 0 a deep frown, 0.5 neutral, 1 a broad open smile.
    Smile,
    /// People, animals, robots: 0 closed, 0.5 calm, 1 wide open.
    EyeOpenness,
    /// People: 0 shaved, 0.5 to the chin, 1 far below the shoulders.
    HairLength,
    /// People: 0 narrow, 1 wide.
    FaceWidth,
    /// Cars: 0 narrow, 1 wide.
    CarWidth,
    /// Cars: 0 new, modern and shiny, 1 a rusty, dented old-timer.
    CarAge,
    /// Cars, houses, cups, apples: 0 small, 1 large.
    Size,
    /// Picture: 0 dark, 0.5 neutral, 1 very bright.
    Brightness,
    /// Picture: 0 cold and bluish, 0.5 neutral, 1 warm and orange.
    Warmth,
    /// Picture: 0 bare surfaces, 1 surfaces and background full of pattern.
    Detail,
    /// Picture: 0 a flat drawing with outlines, 1 shaded with gradients, shadows and highlights.
    Realism,
}

impl Continuous {
    /// Every continuous attribute.
    pub const ALL: [Self; 12] = [
        Self::Age,
        Self::Smile,
        Self::EyeOpenness,
        Self::HairLength,
        Self::FaceWidth,
        Self::CarWidth,
        Self::CarAge,
        Self::Size,
        Self::Brightness,
        Self::Warmth,
        Self::Detail,
        Self::Realism,
    ];

    /// The name in snake case, for files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Smile => "smile",
            Self::EyeOpenness => "eye_openness",
            Self::HairLength => "hair_length",
            Self::FaceWidth => "face_width",
            Self::CarWidth => "car_width",
            Self::CarAge => "car_age",
            Self::Size => "size",
            Self::Brightness => "brightness",
            Self::Warmth => "warmth",
            Self::Detail => "detail",
            Self::Realism => "realism",
        }
    }

    /// Whether the attribute belongs to the whole picture rather than to a subject.
    pub fn is_picture_level(self) -> bool {
        matches!(
            self,
            Self::Brightness | Self::Warmth | Self::Detail | Self::Realism
        )
    }

    /// Whether a subject of this kind has the attribute (never for picture-level ones).
    pub fn applies_to(self, kind: Kind) -> bool {
        match self {
            Self::Age | Self::HairLength | Self::FaceWidth => kind.is_person(),
            Self::Smile | Self::EyeOpenness => kind.has_face(),
            Self::CarWidth | Self::CarAge => kind == Kind::Car,
            Self::Size => !kind.has_face(),
            Self::Brightness | Self::Warmth | Self::Detail | Self::Realism => false,
        }
    }
}

/// An attribute with a handful of classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Discrete {
    /// Every subject: what it is.
    Kind,
    /// People: hair colour.
    HairColor,
    /// People: skin tone, seldom named in captions.
    SkinTone,
    /// People: colour of the clothes.
    ClothesColor,
    /// Cats, dogs: colour of the fur.
    FurColor,
    /// Robots, cars, houses, cups, apples: colour of the body.
    PaintColor,
    /// People, cats, dogs: class 1 wears glasses.
    Glasses,
    /// Men: class 1 has a beard.
    Beard,
    /// People, cats, dogs: class 0 none, else the colour of the hat.
    Hat,
    /// Houses, cups, apples: what the thing is made of.
    Material,
    /// Picture: what lies behind the subjects.
    Background,
    /// Picture: colour of a plain background; does not apply to the others.
    PlainColor,
}

const COLORS: &[&str] = &[
    "red", "orange", "yellow", "green", "blue", "purple", "pink", "white",
];
const KIND_NAMES: &[&str] = &[
    "man", "woman", "boy", "girl", "cat", "dog", "robot", "car", "house", "cup", "apple",
];

impl Discrete {
    /// Every discrete attribute.
    pub const ALL: [Self; 12] = [
        Self::Kind,
        Self::HairColor,
        Self::SkinTone,
        Self::ClothesColor,
        Self::FurColor,
        Self::PaintColor,
        Self::Glasses,
        Self::Beard,
        Self::Hat,
        Self::Material,
        Self::Background,
        Self::PlainColor,
    ];

    /// The name in snake case, for files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::HairColor => "hair_color",
            Self::SkinTone => "skin_tone",
            Self::ClothesColor => "clothes_color",
            Self::FurColor => "fur_color",
            Self::PaintColor => "paint_color",
            Self::Glasses => "glasses",
            Self::Beard => "beard",
            Self::Hat => "hat",
            Self::Material => "material",
            Self::Background => "background",
            Self::PlainColor => "plain_color",
        }
    }

    /// Names of the classes, in class order.
    pub fn classes(self) -> &'static [&'static str] {
        match self {
            Self::Kind => KIND_NAMES,
            Self::HairColor => &["black", "brown", "blond", "red", "grey", "white"],
            Self::SkinTone => &["light", "tan", "brown", "dark"],
            Self::ClothesColor | Self::PaintColor | Self::PlainColor => COLORS,
            Self::FurColor => &["black", "white", "grey", "brown", "orange"],
            Self::Glasses | Self::Beard => &["no", "yes"],
            Self::Hat => &["none", "red", "yellow", "green", "blue"],
            Self::Material => &["plain", "wood", "metal", "stone", "glass"],
            Self::Background => &["plain", "beach", "forest", "city", "room"],
        }
    }

    /// Whether the attribute belongs to the whole picture rather than to a subject.
    pub fn is_picture_level(self) -> bool {
        matches!(self, Self::Background | Self::PlainColor)
    }

    /// Whether the classes are colours of one subject, which two subjects could exchange.
    pub fn is_color(self) -> bool {
        matches!(
            self,
            Self::HairColor | Self::ClothesColor | Self::FurColor | Self::PaintColor
        )
    }

    /// Whether a subject of this kind has the attribute (never for picture-level ones).
    pub fn applies_to(self, kind: Kind) -> bool {
        match self {
            Self::Kind => true,
            Self::HairColor | Self::SkinTone | Self::ClothesColor => kind.is_person(),
            Self::FurColor => kind.is_animal(),
            Self::PaintColor => !kind.is_person() && !kind.is_animal(),
            Self::Glasses | Self::Hat => kind.is_person() || kind.is_animal(),
            Self::Beard => kind == Kind::Man,
            Self::Material => matches!(kind, Kind::House | Kind::Cup | Kind::Apple),
            Self::Background | Self::PlainColor => false,
        }
    }
}

/// Any attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attribute {
    /// One with a value in `0.0..=1.0`.
    Continuous(Continuous),
    /// One with a handful of classes.
    Discrete(Discrete),
}

impl Attribute {
    /// Every attribute.
    pub fn all() -> impl Iterator<Item = Self> {
        let continuous = Continuous::ALL.map(Self::Continuous).into_iter();
        continuous.chain(Discrete::ALL.map(Self::Discrete))
    }

    /// The name in snake case, for files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Continuous(a) => a.name(),
            Self::Discrete(a) => a.name(),
        }
    }

    /// Whether the attribute belongs to the whole picture rather than to a subject.
    pub fn is_picture_level(self) -> bool {
        match self {
            Self::Continuous(a) => a.is_picture_level(),
            Self::Discrete(a) => a.is_picture_level(),
        }
    }
}

/// The value of an [`Attribute`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// Of a continuous attribute, `0.0..=1.0`.
    Continuous(f32),
    /// Class index of a discrete attribute.
    Discrete(usize),
}
