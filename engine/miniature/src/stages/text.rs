//! The pool, the text tower and its gate.

use vernier_engine::models::clip::{ClipModel, ClipTextModel};
use vernier_engine::train::AdamW;
use vernier_engine::weights::ParamStore;
use vernier_engine::{EngineError, Result};

use super::Session;
use super::console::{progress, say};
use super::training::Recipe;
use crate::captions::Captioner;
use crate::cli::Schedule;
use crate::config::clip_config;
use crate::pool::Pool;
use crate::trainers::ClipTrainer;
use crate::vocabulary::Vocabulary;
use crate::workplace::made_by;
use crate::{export, gate};

/// Pairs a worker and step.
const BATCH: u32 = 96;
/// Pairs of captions for each row of the gate's table.
const GATE_PAIRS: usize = 64;

impl Session {
    pub(super) fn pool(&self) -> Result<()> {
        Vocabulary::of_the_world().save(&self.place.tokenizer())?;
        let bar = progress(self.pairs, "pairs");
        Pool::draw(&self.place.pool(), self.pairs, |done| {
            bar.set_position(done);
            self.flow()
        })?;
        bar.finish_and_clear();
        say(&format!("pool: {}", self.place.pool().display()));
        Ok(())
    }

    pub(super) fn clip(&self, schedule: &Schedule) -> Result<()> {
        let pool = self.open_pool()?;
        let tokenizer = self.tokenizer()?;
        let batch = schedule.batch.unwrap_or(BATCH) as usize;
        let recipe = Recipe {
            name: "clip",
            learning_rate: 1e-3,
            optimizer: AdamW {
                beta2: 0.98,
                weight_decay: 0.05,
                ema_decay: 0.998,
                ..AdamW::default()
            },
        };
        let outcome = self.train(&recipe, schedule, None, || {
            let captioner = Captioner::open(&tokenizer)?;
            ClipTrainer::new(captioner, pool.share(), batch, self.kind, self.device)
        })?;
        let vocab_size = Captioner::open(&tokenizer)?.vocab_size();
        export::clip(self.place.out(), &outcome.averages, vocab_size)?;
        outcome.require_complete()?;
        self.gate()
    }

    pub(super) fn gate(&self) -> Result<()> {
        let (text, captioner) = self.text_tower(tch::Kind::Float)?;
        let report = gate::measure(&text, &captioner, GATE_PAIRS, self.device)?;
        say(&report.markdown());
        if report.passes() {
            return Ok(());
        }
        let problem = format!(
            "the text tower does not carry {}; train it further before the U-Net",
            report.failing().join(", ")
        );
        Err(EngineError::bad_file(self.place.clip(), problem))
    }

    /// The exported text tower and its tokenizer.
    pub(super) fn text_tower(&self, kind: tch::Kind) -> Result<(ClipTextModel, Captioner)> {
        let captioner = Captioner::open(&self.tokenizer()?)?;
        let file = made_by("clip", self.place.clip())?;
        let store = ParamStore::open(&[file], kind, self.device)?;
        let model = ClipModel::new(&store.root(), &clip_config(captioner.vocab_size())?)?;
        store.finish()?;
        Ok((model.text, captioner))
    }
}
