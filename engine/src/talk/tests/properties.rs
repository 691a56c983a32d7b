//! Laws that hold for any sentence.

use proptest::prelude::*;

use super::super::{Dialogue, Lexicon, Outcome};
use super::{scene_of, table, written};

/// Wishes that name their subject, so that none leans on another.
const WISHES: [&str; 8] = [
    "make the man older",
    "the woman's smile a bit more",
    "open the woman's eyes",
    "set the man's face width to 0.8",
    "the woman's hair much shorter",
    "no beard on the man",
    "glasses for the woman",
    "the man less happy",
];

const WORDS: [&str; 44] = [
    "make",
    "her",
    "him",
    "it",
    "the",
    "man",
    "woman",
    "left",
    "one",
    "other",
    "both",
    "smile",
    "older",
    "hair",
    "longer",
    "more",
    "less",
    "a bit",
    "too",
    "much",
    "too much",
    "no",
    "not",
    "to",
    "by",
    "0.5",
    "-3",
    "80 %",
    "and",
    ",",
    "but",
    "undo",
    "again",
    "half of it",
    "red",
    "hat",
    "turn",
    "into",
    "with",
    "as far as it goes",
    "neutral",
    "enough",
    "as",
    "zebra",
];

proptest! {
    #[test]
    fn nothing_that_is_said_panics(
        sentences in proptest::collection::vec("\\PC{0,40}", 1..4),
    ) {
        let (table, lexicon) = (table(), Lexicon::usual().unwrap());
        let mut dialogue = Dialogue::new();
        for (spec, sentence) in table.scenes.values().zip(&sentences) {
            dialogue.understand(&lexicon, &scene_of(spec, &lexicon), sentence);
        }
    }

    #[test]
    fn no_words_that_are_known_panic_and_the_same_means_the_same(
        sentences in proptest::collection::vec(
            proptest::collection::vec(proptest::sample::select(&WORDS[..]), 0..9),
            1..4,
        ),
        which in 0..100_usize,
    ) {
        let (table, lexicon) = (table(), Lexicon::usual().unwrap());
        let specs: Vec<_> = table.scenes.values().collect();
        let scene = scene_of(specs[which % specs.len()], &lexicon);
        let (mut dialogue, mut twin) = (Dialogue::new(), Dialogue::new());
        for words in &sentences {
            let sentence = words.join(" ");
            let outcome = dialogue.understand(&lexicon, &scene, &sentence);
            prop_assert_eq!(&outcome, &twin.understand(&lexicon, &scene, &sentence));
            if let Outcome::Ask(question) = outcome {
                prop_assert!(!question.text.is_empty());
                prop_assert_eq!(dialogue.is_open(), !question.choices.is_empty());
            }
        }
    }

    #[test]
    fn the_order_of_independent_wishes_does_not_matter(
        order in Just((0..WISHES.len()).collect::<Vec<_>>()).prop_shuffle(),
        count in 1..WISHES.len(),
        join in proptest::sample::select(vec![" and ", ", ", ", and ", "; ", " but "]),
    ) {
        let (table, lexicon) = (table(), Lexicon::usual().unwrap());
        let scene = scene_of(&table.scenes["couple"], &lexicon);
        let meaning = |wishes: Vec<usize>| {
            let said: Vec<&str> = wishes.iter().map(|&at| WISHES[at]).collect();
            let outcome = Dialogue::new().understand(&lexicon, &scene, &said.join(join));
            let mut moves: Vec<String> =
                written(&outcome).split("; ").map(str::to_owned).collect();
            moves.sort();
            (matches!(outcome, Outcome::Change(_)), moves)
        };
        let chosen = order[..count].to_vec();
        let mut sorted = chosen.clone();
        sorted.sort_unstable();
        let (is_change, moves) = meaning(chosen);
        prop_assert!(is_change, "{:?}", moves);
        prop_assert_eq!(moves.len(), count);
        prop_assert_eq!(&moves, &meaning(sorted).1);
    }
}
