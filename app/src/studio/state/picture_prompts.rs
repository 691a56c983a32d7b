//! Picture prompts on the bench, as their rows show them.

use vernier_engine::adapters::Family;
use vernier_engine::project::Bench;
use vernier_engine::recipe::{PicturePromptUse, PictureRef, PictureTakes};

use super::adapters::{AdapterQuestion, AdapterRow, Adapters};

/// A picture prompt of the bench, for its row.
#[derive(Debug, Clone, PartialEq)]
pub struct PictureRow {
    /// Its name, switch, file and what is wrong with it.
    pub adapter: AdapterRow,
    /// How far its pictures count.
    pub weight: f64,
    /// What of them is taken; `None` where single layers have weights of their own.
    pub takes: Option<PictureTakes>,
    /// The pictures; none while it waits for one.
    pub pictures: Vec<PictureRef>,
    /// Where and when it counts, where that is not everywhere and always.
    pub limits: Option<String>,
}

impl Adapters {
    /// The rows of the picture prompts of `bench` on a model of `family`, in the bench's order.
    pub(super) fn picture_rows(&self, bench: &Bench, family: Option<&Family>) -> Vec<PictureRow> {
        let all = bench.picture_prompts().into_iter();
        all.map(|(own, is_muted)| {
            let mut adapter = self.row(
                &AdapterQuestion::PicturePrompt(Box::new(own.clone())),
                family,
            );
            adapter.is_muted = is_muted;
            adapter.name.clone_from(&own.name);
            PictureRow {
                adapter,
                weight: own.weight,
                takes: own.blocks.is_empty().then_some(own.takes),
                pictures: own.pictures.clone(),
                limits: limits(own),
            }
        })
        .collect()
    }
}

fn limits(own: &PicturePromptUse) -> Option<String> {
    let mask = own
        .mask
        .is_some()
        .then(|| "where its mask is white".to_owned());
    let is_whole = own.start <= 0.0 && own.end >= 1.0;
    let percent = |part: f64| (part * 100.0).round();
    let window = (!is_whole).then(|| {
        let (start, end) = (percent(own.start), percent(own.end));
        format!("from {start} % to {end} % of the steps")
    });
    let all: Vec<String> = mask.into_iter().chain(window).collect();
    (!all.is_empty()).then(|| all.join(", "))
}
