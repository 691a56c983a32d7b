//! When the picture follows the hand.

use std::time::{Duration, Instant};

use vernier_engine::recipe::Recipe;

/// A prompt is half a word while it is being typed: so long a pause makes it worth rendering.
const TYPING_PAUSE: Duration = Duration::from_millis(350);

/// What the engine should do about a bench that may have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveStep {
    /// Nothing: what is wanted is shown or being made.
    Rest,
    /// Look again after so long.
    Wait(Duration),
    /// Render the bench.
    Start,
    /// Stop the picture that is being made: it is no longer wanted, and something is shown.
    Interrupt,
}

/// Follows the bench: at most one picture is in the making, and only the newest is wanted, so
/// nothing piles up however fast a slider moves.
#[derive(Debug)]
pub struct Live {
    is_on: bool,
    wanted: Option<Recipe>,
    changed_at: Instant,
    in_flight: Option<InFlight>,
    shown: Option<Recipe>,
}

#[derive(Debug)]
struct InFlight {
    recipe: Recipe,
    /// Its first, quick picture is out: interrupting it now still shows that something moves.
    has_preview: bool,
}

impl Live {
    /// Follows from the start, or only once it is switched on.
    pub fn new(is_on: bool, now: Instant) -> Self {
        Self {
            is_on,
            wanted: None,
            changed_at: now,
            in_flight: None,
            shown: None,
        }
    }

    /// Whether the picture follows.
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// Switches following on or off.
    pub fn set_on(&mut self, is_on: bool) {
        self.is_on = is_on;
    }

    /// Looks at the bench as it is now.
    pub fn observe(&mut self, recipe: &Recipe, now: Instant) {
        let is_new = self.wanted.as_ref() != Some(recipe);
        if is_new {
            let only_text = self
                .wanted
                .as_ref()
                .is_some_and(|old| differs_in_text(old, recipe));
            // Everything but words is wanted at once.
            let since = if only_text {
                Duration::ZERO
            } else {
                TYPING_PAUSE
            };
            self.changed_at = now.checked_sub(since).unwrap_or(now);
            self.wanted = Some(recipe.clone());
        }
    }

    /// What to do now.
    pub fn step(&self, now: Instant) -> LiveStep {
        let Some(wanted) = self.wanted.as_ref().filter(|_| self.is_on) else {
            return LiveStep::Rest;
        };
        let waited = now.saturating_duration_since(self.changed_at);
        match &self.in_flight {
            Some(flight) if flight.recipe == *wanted => LiveStep::Rest,
            Some(flight) if flight.has_preview && waited >= TYPING_PAUSE => LiveStep::Interrupt,
            Some(_) => LiveStep::Rest,
            None if self.shown.as_ref() == Some(wanted) => LiveStep::Rest,
            None if waited < TYPING_PAUSE => LiveStep::Wait(TYPING_PAUSE.saturating_sub(waited)),
            None => LiveStep::Start,
        }
    }

    /// The recipe that [`LiveStep::Start`] means; it is in the making from now on.
    pub fn start(&mut self) -> Option<Recipe> {
        let recipe = self.wanted.clone()?;
        self.in_flight = Some(InFlight {
            recipe: recipe.clone(),
            has_preview: false,
        });
        Some(recipe)
    }

    /// Its quick picture is out.
    pub fn previewed(&mut self) {
        if let Some(flight) = &mut self.in_flight {
            flight.has_preview = true;
        }
    }

    /// It has ended; a failed one is not tried again until something changes.
    pub fn ended(&mut self, was_cancelled: bool) {
        if let Some(flight) = self.in_flight.take().filter(|_| !was_cancelled) {
            self.shown = Some(flight.recipe);
        }
    }

    /// The bench's picture is known without rendering, as after undo.
    pub fn is_shown(&mut self, recipe: &Recipe) {
        self.shown = Some(recipe.clone());
        self.wanted = Some(recipe.clone());
    }

    /// Renders the bench even though its picture is shown.
    pub fn again(&mut self) {
        self.shown = None;
    }
}

/// All that is written to be shown: by the prompt, by regions, by an edit.
fn words(recipe: &Recipe) -> impl Iterator<Item = &str> {
    let regions = recipe.regions.iter().map(|region| region.prompt.as_str());
    let changes = recipe.edit.iter().flat_map(|edit| &edit.changes);
    let changes = changes.flat_map(|change| [change.from.as_str(), change.to.as_str()]);
    let prompt = std::iter::once(recipe.prompt.as_str());
    prompt.chain(regions).chain(changes)
}

fn differs_in_text(a: &Recipe, b: &Recipe) -> bool {
    a.negative_prompt != b.negative_prompt || !words(a).eq(words(b))
}

#[cfg(test)]
mod tests {
    use vernier_engine::recipe::{Change, Edit};

    use super::*;
    use crate::studio::state::testing;

    fn recipe(seed: u64) -> Recipe {
        testing::recipe("", seed)
    }

    #[test]
    fn a_fast_hand_leaves_no_backlog_and_the_last_value_is_shown() {
        let now = Instant::now();
        let mut live = Live::new(true, now);
        let mut started = 0;
        // 1800 moves, and an engine that previews every 4th and ends every 8th tick.
        for tick in 0..1800_u64 {
            live.observe(&recipe(tick), now);
            match live.step(now) {
                LiveStep::Start => {
                    live.start();
                    started += 1;
                }
                LiveStep::Interrupt => live.ended(true),
                _ => {}
            }
            if tick % 4 == 3 {
                live.previewed();
            }
            if tick % 8 == 7 && live.in_flight.is_some() {
                live.ended(false);
            }
        }
        assert!((200..=900).contains(&started), "{started}");
        while live.step(now) != LiveStep::Rest {
            match live.step(now) {
                LiveStep::Start => {
                    live.start();
                }
                _ => live.ended(false),
            }
            if live
                .in_flight
                .as_ref()
                .is_some_and(|f| f.recipe == recipe(1799))
            {
                live.ended(false);
            }
        }
        assert_eq!(live.shown, Some(recipe(1799)));
    }

    #[test]
    fn words_wait_for_a_pause_and_sliders_do_not() {
        let now = Instant::now();
        let mut live = Live::new(true, now);
        live.observe(&recipe(1), now);
        assert_eq!(live.step(now), LiveStep::Start);
        live.start();
        live.ended(false);
        let mut typed = recipe(1);
        typed.prompt = "a c".to_owned();
        live.observe(&typed, now);
        assert_eq!(live.step(now), LiveStep::Wait(TYPING_PAUSE));
        assert_eq!(live.step(now + TYPING_PAUSE), LiveStep::Start);
        live.start();
        live.ended(false);
        // So do those of an edit.
        let mut edited = typed.clone();
        edited.edit = Some(Edit::new(vec![Change::new("c", "d")]));
        live.observe(&edited, now);
        assert_eq!(live.step(now), LiveStep::Wait(TYPING_PAUSE));
        let mut weaker = edited.clone();
        weaker.edit.as_mut().unwrap().changes[0].strength = 0.5;
        live.observe(&edited, now);
        live.observe(&weaker, now);
        assert_eq!(live.step(now), LiveStep::Start);
    }

    #[test]
    fn what_is_on_its_way_is_not_stopped_before_it_shows_something() {
        let now = Instant::now();
        let mut live = Live::new(true, now);
        live.observe(&recipe(1), now);
        live.start();
        live.observe(&recipe(2), now);
        assert_eq!(live.step(now), LiveStep::Rest);
        live.previewed();
        assert_eq!(live.step(now), LiveStep::Interrupt);
    }

    #[test]
    fn switched_off_it_rests() {
        let now = Instant::now();
        let mut live = Live::new(false, now);
        live.observe(&recipe(1), now);
        assert_eq!(live.step(now), LiveStep::Rest);
    }
}
