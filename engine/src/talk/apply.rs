//! Moves carried into a recipe.

use super::moves::{ControlMove, Level, Move, WordsBy, WordsMove};
use crate::conditioning::find_phrase;
use crate::recipe::{Change, ControlScale, ControlUse, Recipe};
use crate::{EngineError, Result};

/// `recipe` with `moves` made. What a meter reads is reached in closed loop when the recipe is
/// rendered; settings found before stay as they are.
///
/// # Errors
/// Words are not in the prompt once, or the edit does not take the change.
pub fn apply(recipe: &Recipe, moves: &[Move]) -> Result<Recipe> {
    let mut changed = recipe.clone();
    for own in moves {
        match own {
            Move::Control(own) => move_control(&mut changed, own),
            Move::Words(own) => change_words(&mut changed, own)?,
        }
    }
    changed.validate()?;
    Ok(changed)
}

fn move_control(recipe: &mut Recipe, own: &ControlMove) {
    let same = |c: &ControlUse| c.name == own.control && c.subject == own.subject;
    if own.is_neutral {
        recipe.controls.retain(|c| !same(c));
        return;
    }
    let at = recipe.controls.iter().position(same).unwrap_or_else(|| {
        let new = ControlUse::new(own.control.clone(), own.subject.as_deref(), 0.0);
        recipe.controls.push(new);
        recipe.controls.len() - 1
    });
    let control = &mut recipe.controls[at];
    control.resolved = None;
    (control.scale, control.value) = match own.to {
        Level::Reading(value) => (ControlScale::Measured, value),
        Level::Units(value) => (ControlScale::Calibrated, value),
    };
    // An edit leaves everything alone that it does not name.
    if let (Some(edit), Some(subject)) = (&mut recipe.edit, &own.subject) {
        let named =
            |change: &Change| !change.muted && !find_phrase(&change.from, subject).is_empty();
        if !edit.changes.iter().any(named) {
            edit.changes
                .push(Change::new(subject.clone(), subject.clone()));
        }
    }
}

fn change_words(recipe: &mut Recipe, own: &WordsMove) -> Result<()> {
    if let (WordsBy::Edit, Some(edit)) = (own.by, &mut recipe.edit) {
        let known = edit
            .changes
            .iter_mut()
            .find(|change| change.from == own.from);
        match known {
            Some(change) => change.to.clone_from(&own.to),
            None => edit
                .changes
                .push(Change::new(own.from.clone(), own.to.clone())),
        }
        return Ok(());
    }
    let found = find_phrase(&recipe.prompt, &own.from);
    let [place] = found.as_slice() else {
        return Err(EngineError::request(
            "prompt",
            format!("does not have \"{}\" just once", own.from),
        ));
    };
    let before = &recipe.prompt[..place.start];
    let (before, to) = with_article(before, &own.to);
    recipe.prompt = format!("{before}{to}{}", &recipe.prompt[place.end..]);
    // What was searched for on the old picture is searched for again on the new one.
    for control in &mut recipe.controls {
        if control.scale == ControlScale::Measured {
            control.resolved = None;
        }
    }
    let prompt = recipe.prompt.clone();
    recipe.controls.retain(|control| {
        let words = control.subject.as_deref();
        words.is_none_or(|words| find_phrase(&prompt, words).len() == 1)
    });
    Ok(())
}

/// The text before new words with the article that they ask for.
fn with_article(before: &str, to: &str) -> (String, String) {
    let vowel = to.starts_with(['a', 'e', 'i', 'o', 'u']);
    let swapped = |article: &str, other: &str| {
        let rest = before.trim_end().strip_suffix(article)?;
        let whole = rest.is_empty() || rest.ends_with([' ', ',']);
        whole.then(|| format!("{rest}{other} "))
    };
    let before = if vowel {
        swapped("a", "an")
    } else {
        swapped("an", "a")
    }
    .unwrap_or_else(|| before.to_owned());
    (before, to.to_owned())
}

/// Whether `recipe` still asks for what `own` moved: nobody moved it elsewhere since.
pub fn is_held(recipe: &Recipe, own: &ControlMove) -> bool {
    let same = |c: &&ControlUse| c.name == own.control && c.subject == own.subject;
    match recipe.controls.iter().find(same) {
        Some(control) => (control.value - own.to.value()).abs() < 1e-9,
        None => own.is_neutral,
    }
}
