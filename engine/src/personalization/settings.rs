//! What decides the outcome of a personalization, for its work folder and its file.

use serde_json::{Map, Value, json};

use super::PersonalRequest;
use crate::control_training::Schedule;
use crate::control_training::session::schedule_settings;
use crate::train::folder::ImageFolder;

/// Everything but the length; a stored state of other settings is not gone on from.
pub(super) fn settings(
    request: &PersonalRequest,
    schedule: &Schedule,
    model_hash: &str,
    pictures: &ImageFolder,
) -> Map<String, Value> {
    let mut settings = schedule_settings(schedule);
    let captions: Vec<&str> = pictures.rows.iter().map(|r| r.caption.as_str()).collect();
    for (name, value) in [
        ("model", json!(model_hash)),
        ("dtype", json!(request.dtype.name())),
        ("captions", json!(captions)),
        ("batch", json!(request.batch)),
        ("accumulate", json!(request.accumulate)),
        ("caption_dropout", json!(request.caption_dropout)),
        ("ema_decay", json!(request.ema_decay)),
        ("seed", json!(request.seed)),
    ] {
        settings.insert(name.to_owned(), value);
    }
    if let Some(lora) = &request.learnt.lora {
        settings.insert("layers".to_owned(), json!(lora.layers.name()));
        settings.insert("rank".to_owned(), json!(lora.rank));
        settings.insert("alpha".to_owned(), json!(lora.alpha));
        settings.insert("text_encoder".to_owned(), json!(lora.text_encoder));
        if lora.up_only {
            settings.insert("up_only".to_owned(), json!(true));
        }
    }
    if request.learnt.key_values {
        settings.insert("key_values".to_owned(), json!(true));
    }
    if let Some(word) = &request.learnt.word {
        settings.insert("word".to_owned(), json!(word.word));
        settings.insert("vectors".to_owned(), json!(word.vectors));
        settings.insert("init".to_owned(), json!(word.init));
    }
    if let Some(weight) = request.semantic {
        settings.insert("semantic_preservation".to_owned(), json!(weight));
        settings.insert("instance".to_owned(), json!(request.instance));
    }
    if let Some(class) = &request.class {
        settings.insert("class".to_owned(), json!(class.prompt));
        settings.insert("class_pictures".to_owned(), json!(class.count));
        settings.insert("prior_weight".to_owned(), json!(class.weight));
    }
    settings
}
