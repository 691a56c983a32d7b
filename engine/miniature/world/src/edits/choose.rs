//! What stands in a picture that is to be edited, and what becomes of it.

use rand::seq::SliceRandom;
use rand::{Rng, RngExt};

use super::EditKind;
use crate::attributes::{Background, Discrete, Kind};
use crate::caption::phrases;
use crate::sample::SampleOptions;
use crate::scene::Subject;

/// A subject before and after, and what was asked of it.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    pub(super) before: Subject,
    pub(super) after: Subject,
    /// What it is called in the prompt, without an article.
    pub(super) words: String,
    pub(super) changes: Vec<Asked>,
}

/// One change.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) from: String,
    pub(super) to: String,
    /// The part of the subject that changes; `None` for all of it.
    pub(super) part: Option<Discrete>,
    pub(super) expect: Vec<(Discrete, usize)>,
}

/// Things that stand in one another's outlines well enough to take their places.
const GROUPS: [[Kind; 2]; 5] = [
    [Kind::Cup, Kind::Apple],
    [Kind::Cat, Kind::Dog],
    [Kind::Car, Kind::House],
    [Kind::Man, Kind::Woman],
    [Kind::Boy, Kind::Girl],
];

/// The random numbers, and the words for values that are taken: whatever one thing is asked to
/// become, no other is or becomes, so that a change of the wrong thing can be told.
pub(super) struct Chooser<'r, R: Rng> {
    rng: &'r mut R,
    taken: Vec<&'static str>,
}

impl<'r, R: Rng> Chooser<'r, R> {
    pub(super) fn new(rng: &'r mut R) -> Self {
        let taken = Vec::new();
        Self { rng, taken }
    }

    /// A class of `attribute`, above `least`, whose name nobody has taken.
    fn class(&mut self, attribute: Discrete, least: usize) -> usize {
        let names = attribute.classes();
        let free: Vec<usize> = (least..names.len())
            .filter(|&class| !self.taken.contains(&names[class]))
            .collect();
        let class = free[self.rng.random_range(0..free.len())];
        self.taken.push(names[class]);
        class
    }

    fn subject(&mut self, kind: Kind) -> Subject {
        let mut subject = Subject::sample(self.rng, kind);
        (subject.glasses, subject.beard, subject.hat) = (0, 0, 0);
        subject.material = 0;
        subject.size = self.rng.random_range(0.4..1.0);
        subject.age = self.rng.random_range(0.2..0.7);
        subject.hair_length = self.rng.random_range(0.45..0.9);
        if let Some(color) = color_of(kind) {
            let class = self.class(color, 0);
            set(&mut subject, color, class);
        }
        subject
    }
}

/// How the rest of the scene is drawn.
pub(super) fn options() -> SampleOptions {
    SampleOptions {
        neutral_light: 1.0,
        backgrounds: Background::ALL.to_vec(),
        ..SampleOptions::default()
    }
}

/// One or two subjects of which `count` things change, all that stand alone as `kind` says.
pub(super) fn choose<R: Rng>(
    chooser: &mut Chooser<'_, R>,
    kind: EditKind,
    count: usize,
) -> Vec<Chosen> {
    let mut groups = groups(kind);
    if count > 2 {
        // A second man would share the words of the one beside it.
        groups.retain(|group| !group[0].0.is_person());
    }
    groups.shuffle(chooser.rng);
    let first = edited(chooser, kind, &groups[0]);
    let mut chosen = match count {
        1 if chooser.rng.random_bool(0.5) => return vec![first],
        // One that nobody touches.
        1 => {
            let group = groups.get(1).unwrap_or(&groups[0]);
            let mut other = edited(chooser, kind, group);
            other.after = other.before;
            other.changes.clear();
            vec![first, other]
        }
        2 => {
            let second = edited(chooser, kind, &groups[1]);
            vec![first, second]
        }
        _ => vec![first, person(chooser)],
    };
    chosen.shuffle(chooser.rng);
    chosen
}

/// Kinds before and after, of which each subject of a picture takes another group.
fn groups(kind: EditKind) -> Vec<Vec<(Kind, Kind)>> {
    let both = |group: [Kind; 2]| vec![(group[0], group[1]), (group[1], group[0])];
    let same = |kind: Kind| vec![(kind, kind)];
    match kind {
        EditKind::Color => [
            Kind::Cat,
            Kind::Dog,
            Kind::Robot,
            Kind::Car,
            Kind::House,
            Kind::Cup,
            Kind::Apple,
        ]
        .map(same)
        .to_vec(),
        EditKind::Material => [Kind::House, Kind::Cup, Kind::Apple].map(same).to_vec(),
        EditKind::Object => GROUPS.map(both).to_vec(),
        EditKind::ColorObject => GROUPS[..3].iter().map(|&group| both(group)).collect(),
        EditKind::ObjectMaterial => vec![both(GROUPS[0]), vec![(Kind::Car, Kind::House)]],
    }
}

/// A subject of one of the pairs, changed as `kind` says.
fn edited<R: Rng>(chooser: &mut Chooser<'_, R>, kind: EditKind, pairs: &[(Kind, Kind)]) -> Chosen {
    let (from, to) = pairs[chooser.rng.random_range(0..pairs.len())];
    let before = chooser.subject(from);
    let mut after = before;
    after.kind = to;
    let mut expect = Vec::new();
    if from != to {
        expect.push((Discrete::Kind, to as usize));
    }
    if let Some((old, new)) = color_of(from).zip(color_of(to)) {
        let class = if matches!(kind, EditKind::Color | EditKind::ColorObject) {
            let class = chooser.class(new, 0);
            expect.push((new, class));
            class
        } else {
            get(&before, old)
        };
        set(&mut after, new, class);
    }
    if matches!(kind, EditKind::Material | EditKind::ObjectMaterial) {
        let class = chooser.class(Discrete::Material, 1);
        after.material = class;
        expect.push((Discrete::Material, class));
    }
    let words = called(&before);
    Chosen {
        changes: vec![Asked {
            from: words.clone(),
            to: called(&after),
            part: None,
            expect,
        }],
        before,
        after,
        words,
    }
}

/// A man or a woman whose shirt and hair change their colours.
fn person<R: Rng>(chooser: &mut Chooser<'_, R>) -> Chosen {
    let kind = [Kind::Man, Kind::Woman][chooser.rng.random_range(0..2)];
    let mut before = chooser.subject(kind);
    let mut after = before;
    let mut words = kind.noun().to_owned();
    let mut changes = Vec::new();
    for part in [Discrete::ClothesColor, Discrete::HairColor] {
        let (old, new) = (chooser.class(part, 0), chooser.class(part, 0));
        set(&mut before, part, old);
        set(&mut after, part, new);
        let noun = if part == Discrete::HairColor {
            "hair"
        } else {
            "shirt"
        };
        let named = |class: usize| format!("{} {noun}", part.classes()[class]);
        let from = named(old);
        let told = match part {
            Discrete::HairColor => format!(" with {from}"),
            _ => format!(" in {}", phrases::with_article(&from)),
        };
        words.push_str(&told);
        changes.push(Asked {
            from,
            to: named(new),
            part: Some(part),
            expect: vec![(part, new)],
        });
    }
    Chosen {
        before,
        after,
        words,
        changes,
    }
}

/// "red wooden cup".
fn called(subject: &Subject) -> String {
    let mut words = Vec::new();
    if let Some(color) = color_of(subject.kind) {
        words.extend(phrases::class_before(color, get(subject, color)));
    }
    if Discrete::Material.applies_to(subject.kind) && subject.material > 0 {
        words.extend(phrases::class_before(Discrete::Material, subject.material));
    }
    words.push(subject.kind.noun().to_owned());
    words.join(" ")
}

/// The colour of a whole thing; people have none.
fn color_of(kind: Kind) -> Option<Discrete> {
    [Discrete::FurColor, Discrete::PaintColor]
        .into_iter()
        .find(|color| color.applies_to(kind))
}

fn get(subject: &Subject, color: Discrete) -> usize {
    match color {
        Discrete::FurColor => subject.fur_color,
        _ => subject.paint_color,
    }
}

fn set(subject: &mut Subject, attribute: Discrete, class: usize) {
    let field = match attribute {
        Discrete::FurColor => &mut subject.fur_color,
        Discrete::HairColor => &mut subject.hair_color,
        Discrete::ClothesColor => &mut subject.clothes_color,
        _ => &mut subject.paint_color,
    };
    *field = class;
}
