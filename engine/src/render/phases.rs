//! What holds from one step on: which text, which adapters, which pushes.

use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::{Arc, PoisonError};

use tch::Tensor;

use super::controlnets::ResolvedNet;
use super::halves::{NetCall, NetOnHalves};
use super::meter_push::MeterPush;
use super::picture_prompts::PictureBranch;
use super::regions::Regions;
use super::shelf::{Loaded, Resolved, Shelf};
use crate::conditioning::{Conditioning, TokenSpan};
use crate::controls::{AttributeValues, Control, Direction};
use crate::layers::AttentionHook;
use crate::measure::{Meter, Place};
use crate::models::unet::{AddedConditions, TextContext, UNet};
use crate::prompt::TextStage;
use crate::{EngineError, Result};

/// A prompt and its negative, encoded, with their keys and values.
pub(super) struct EncodedPrompt {
    pub(super) prompt: String,
    pub(super) negative_prompt: Option<String>,
    pub(super) positive: Conditioning,
    pub(super) negative: Option<Conditioning>,
    pub(super) contexts: Contexts,
}

/// Keys and values of the positive and, under guidance, of the negative prompt; batch 1 each.
pub(super) struct Contexts {
    pub(super) positive: TextContext,
    pub(super) negative: Option<TextContext>,
    /// The ControlNets at work, with their own keys and values of the same texts.
    pub(super) nets: Vec<NetOnHalves>,
}

impl Contexts {
    /// With the U-Nets of both halves, the positive one's first.
    pub(super) fn make(
        (unet, negative_unet): (&UNet, &UNet),
        positive: &Conditioning,
        negative: Option<&Conditioning>,
    ) -> Result<Self> {
        let negative = negative.map(|negative| text_context(negative_unet, negative));
        Ok(Self {
            positive: text_context(unet, positive)?,
            negative: negative.transpose()?,
            nets: Vec::new(),
        })
    }

    fn shallow_clone(&self) -> Self {
        Self {
            positive: self.positive.shallow_clone(),
            negative: self.negative.as_ref().map(TextContext::shallow_clone),
            nets: self.nets.iter().map(NetOnHalves::shallow_clone).collect(),
        }
    }
}

/// Keys and values of one text, batch 1, and what the model takes beside it.
pub(super) fn text_context(unet: &UNet, conditioning: &Conditioning) -> Result<TextContext> {
    context_of(conditioning, |tokens| unet.text_context(tokens))
}

/// As [`text_context`], of what `read` reads the text with.
fn context_of(
    conditioning: &Conditioning,
    read: impl FnOnce(&Tensor) -> Result<TextContext>,
) -> Result<TextContext> {
    let tokens: Tensor = conditioning.context()?.f_unsqueeze(0)?;
    let context = read(&tokens)?;
    let (Some(sizes), Some(pooled)) = (conditioning.sizes, &conditioning.pooled) else {
        return Ok(context);
    };
    let time_ids = Tensor::f_from_slice(&sizes.time_ids())?.f_unsqueeze(0)?;
    Ok(context.with_added(AddedConditions {
        pooled: Some(pooled.f_unsqueeze(0)?),
        time_ids: Some(time_ids.f_to_device(tokens.device())?),
        timestep_cond: None,
    }))
}

/// What holds from one call of the sampler on.
pub(super) struct Phase {
    /// The first call that it holds for.
    pub(super) from: usize,
    pub(super) contexts: Contexts,
    /// Regions' texts, on the positive half alone.
    pub(super) hook: Option<Box<dyn AttentionHook>>,
    /// Pushes along a meter's gradient.
    pub(super) pushes: Vec<MeterPush>,
    /// Controls at work, by their place in the recipe.
    pub(super) active: Vec<usize>,
    /// Everything of the controls that a picture depends on in this phase.
    pub(super) key: String,
}

/// What phases are made with.
pub(super) struct PhaseMaker<'a> {
    pub(super) encoded: &'a EncodedPrompt,
    pub(super) controls: &'a [Resolved],
    pub(super) text: &'a TextStage,
    pub(super) unet: &'a UNet,
    /// The negative half's.
    pub(super) negative_unet: &'a UNet,
    pub(super) shelf: &'a Shelf,
    pub(super) meter: Option<&'a dyn Meter>,
    /// Pictures in the place of words that do something.
    pub(super) pictures: &'a [PictureBranch],
    /// Words for parts of the picture that do something.
    pub(super) regions: Option<&'a Regions>,
    /// ControlNets that do something.
    pub(super) nets: &'a [ResolvedNet],
}

impl PhaseMaker<'_> {
    /// The phases over `calls` calls of the sampler, in order; the first from 0. `calls` are the
    /// last of `calls_from_noise`, of which the controls' starts are fractions.
    ///
    /// A control that is there but does nothing still begins a phase, so that moving it away from
    /// 0 finds the work up to there done. A ControlNet begins one where it sets in and where it
    /// ends.
    pub(super) fn phases(&self, calls: usize, calls_from_noise: usize) -> Result<Vec<Phase>> {
        let skipped = calls_from_noise.saturating_sub(calls);
        let first_call = |start: f64| {
            ((start * calls_from_noise as f64).round() as usize).saturating_sub(skipped)
        };
        let starts = self.controls.iter().map(|c| first_call(c.start));
        let nets = self.nets.iter().flat_map(|net| {
            let at_work = |call: &usize| net.wanted.is_at_work(*call, calls);
            let first = (0..calls).find(at_work);
            let end = first.and_then(|first| (first..calls).find(|call| !at_work(call)));
            first.into_iter().chain(end)
        });
        let mut starts: Vec<usize> = starts.chain(nets).chain([0]).collect();
        for own in self.pictures {
            starts.extend([first_call(own.start), first_call(own.end)]);
        }
        starts.sort_unstable();
        starts.dedup();
        starts.retain(|&start| start == 0 || start < calls);
        starts
            .into_iter()
            .map(|from| {
                let active = |c: &Resolved| c.raw.is_some() && first_call(c.start) <= from;
                let indices = 0..self.controls.len();
                let pictures = self.pictures.iter();
                let shown =
                    |p: &&PictureBranch| first_call(p.start) <= from && from < first_call(p.end);
                let nets = self.nets.iter();
                self.phase(
                    from,
                    indices.filter(|&i| active(&self.controls[i])).collect(),
                    &pictures.filter(shown).collect::<Vec<_>>(),
                    nets.filter(|net| net.wanted.is_at_work(from, calls)),
                )
            })
            .collect()
    }

    fn phase<'n>(
        &self,
        from: usize,
        active: Vec<usize>,
        pictures: &[&PictureBranch],
        nets: impl Iterator<Item = &'n ResolvedNet>,
    ) -> Result<Phase> {
        let at_work: Vec<&Resolved> = active.iter().map(|&i| &self.controls[i]).collect();
        let adapters = by_adapter(&at_work);
        let mut positive = self.prompt(&adapters)?;
        let mut regions = self.regions.map(Regions::conditionings).unwrap_or_default();
        let mut pushes = Vec::new();
        let mut key = String::new();
        for control in &at_work {
            let raw = control.raw.unwrap_or_default();
            let (hash, name) = (&control.loaded.hash, &control.wanted.name);
            let subject = control.wanted.subject.as_deref().unwrap_or_default();
            // Writing to a string cannot fail.
            let _ = write!(key, "{hash}|{name}|{subject}|{raw:?};");
            match &control.loaded.control {
                Control::Direction(direction) => {
                    apply_direction(direction, control, raw, &mut positive, &mut regions)?;
                }
                Control::Guidance { strength } => pushes.push(MeterPush {
                    attribute: control.attribute.clone().unwrap_or_default(),
                    place: self.place(control)?,
                    target: raw,
                    strength: *strength,
                }),
                // The whole adapter at once, below; a slider's strength is set when a phase begins.
                Control::Value(_) | Control::AttAdapter(_) | Control::Slider(_) => {}
            }
        }
        let mut branches = Vec::new();
        for (loaded, values) in &adapters {
            match &loaded.control {
                Control::Value(encoder) => add_tokens(&mut positive, &encoder.tokens(values)?)?,
                Control::AttAdapter(adapter) => branches.push(adapter.branch(values, self.unet)?),
                _ => {}
            }
        }
        let is_plain = at_work.iter().all(|c| !c.loaded.changes_text());
        let (mut contexts, region_texts) = if is_plain {
            let texts = self.regions.map(Regions::contexts).unwrap_or_default();
            (self.encoded.contexts.shallow_clone(), texts)
        } else {
            // Keys and values hold for the strengths of the moment that they are made in.
            self.shelf.set_strengths(&at_work);
            let negative = self.encoded.negative.as_ref();
            let contexts = Contexts::make((self.unet, self.negative_unet), &positive, negative);
            let texts = regions.iter().map(|region| text_context(self.unet, region));
            let texts = texts.collect::<Result<Vec<_>>>();
            self.shelf.set_strengths(&[]);
            (contexts?, texts?)
        };
        for own in pictures {
            let _ = write!(key, "picture:{}", own.key);
            contexts = own.beside_both(contexts);
        }
        for branch in branches {
            contexts.positive = contexts.positive.with_branch(branch);
        }
        for net in nets {
            let _ = write!(key, "{};", net.key());
            contexts.nets.push(self.net(net, &positive)?);
        }
        let hook = self
            .regions
            .map(|regions| -> Box<dyn AttentionHook> { Box::new(regions.hook(region_texts)) });
        Ok(Phase {
            from,
            contexts,
            hook,
            pushes,
            active,
            key,
        })
    }

    /// What both halves ask of `net`, which reads what the U-Net reads.
    fn net(&self, net: &ResolvedNet, positive: &Conditioning) -> Result<NetOnHalves> {
        let call = |half: usize, text: &Conditioning| -> Result<NetCall> {
            let shared = &net.loaded.halves[half];
            let own = shared.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(NetCall {
                text: context_of(text, |tokens| own.text_context(tokens))?,
                net: Arc::clone(shared),
                hint: net.hint.shallow_clone(),
                weight: net.wanted.weight,
            })
        };
        // What says nothing of where things are steers the prompt alone, as in Python diffusers.
        let negative = self.encoded.negative.as_ref();
        let negative = negative.filter(|_| !net.loaded.config.global_pool_conditions);
        Ok(NetOnHalves {
            positive: call(0, positive)?,
            negative: negative.map(|text| call(1, text)).transpose()?,
        })
    }

    /// The prompt, encoded; with numbers behind it for the adapters that read them there.
    fn prompt(&self, adapters: &[(Rc<Loaded>, AttributeValues)]) -> Result<Conditioning> {
        let mut prompt = self.encoded.prompt.clone();
        for (loaded, values) in adapters {
            if let Control::AttAdapter(adapter) = &loaded.control {
                prompt = adapter.prompt(&prompt, values)?;
            }
        }
        if prompt == self.encoded.prompt {
            return Ok(self.encoded.positive.shallow_clone());
        }
        let mut encoded = self.text.encode(&prompt, 1)?;
        encoded.sizes = self.encoded.positive.sizes;
        Ok(encoded)
    }

    fn place(&self, control: &Resolved) -> Result<Option<Place>> {
        let meter = self.meter.ok_or_else(|| {
            EngineError::request(control.wanted.to_string(), "no meter was opened for it")
        })?;
        subject_place(control, &self.encoded.positive, meter)
    }
}

/// Moves a direction's subject wherever its words stand: in the prompt, and in each region's text.
fn apply_direction(
    direction: &Direction,
    control: &Resolved,
    raw: f64,
    prompt: &mut Conditioning,
    regions: &mut [Conditioning],
) -> Result<()> {
    let nouns = match &control.wanted.subject {
        Some(subject) => std::slice::from_ref(subject),
        None => control.loaded.info.subjects.as_slice(),
    };
    let named = |text: &Conditioning| nouns.iter().any(|noun| !text.find_all(noun).is_empty());
    let mut found = false;
    for region in regions.iter_mut().filter(|region| named(region)) {
        let span = subject_span(control, region)?;
        direction.apply(region, &span, raw)?;
        found = true;
    }
    if found && !named(prompt) {
        return Ok(());
    }
    let span = subject_span(control, prompt)?;
    direction.apply(prompt, &span, raw)
}

/// The values that controls set, by the adapter that takes them; the last of two that set the same
/// attribute holds.
pub(super) fn by_adapter(controls: &[&Resolved]) -> Vec<(Rc<Loaded>, AttributeValues)> {
    let mut all: Vec<(Rc<Loaded>, AttributeValues)> = Vec::new();
    for control in controls {
        let is_adapter = matches!(
            control.loaded.control,
            Control::Value(_) | Control::AttAdapter(_)
        );
        let (Some(raw), Some(attribute), true) = (control.raw, &control.attribute, is_adapter)
        else {
            continue;
        };
        let at = all.iter().position(|(l, _)| Rc::ptr_eq(l, &control.loaded));
        let at = at.unwrap_or_else(|| {
            all.push((Rc::clone(&control.loaded), AttributeValues::new()));
            all.len() - 1
        });
        all[at].1.insert(attribute.clone(), raw);
    }
    all
}

/// Adds `tokens` `[n, dim]` behind all others.
fn add_tokens(to: &mut Conditioning, tokens: &Tensor) -> Result<()> {
    if let Some(like) = to.encoders.first() {
        let tokens = tokens
            .f_to_device(like.tokens.device())?
            .f_to_kind(like.tokens.kind())?;
        to.extra_tokens = Some(match to.extra_tokens.take() {
            Some(before) => Tensor::f_cat(&[before, tokens], 0)?,
            None => tokens,
        });
    }
    Ok(())
}

/// The tokens of the subject that `control` works on: the one that it names, or the only noun of
/// the prompt that it was made for.
pub(super) fn subject_span(control: &Resolved, prompt: &Conditioning) -> Result<TokenSpan> {
    if let Some(subject) = &control.wanted.subject {
        return prompt.find(subject);
    }
    let nouns = &control.loaded.info.subjects;
    let mut found = nouns.iter().flat_map(|noun| prompt.find_all(noun));
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only),
        _ => Err(EngineError::request(
            control.wanted.to_string(),
            format!(
                "say which subject of the prompt it works on, as {}@{}={}",
                control.wanted.name,
                nouns.first().map_or("SUBJECT", String::as_str),
                control.wanted.value
            ),
        )),
    }
}

/// Where `control`'s subject stands in the picture; `None` for the whole picture.
pub(super) fn subject_place(
    control: &Resolved,
    prompt: &Conditioning,
    meter: &dyn Meter,
) -> Result<Option<Place>> {
    let info = &control.loaded.info;
    if control.wanted.subject.is_none() && info.subjects.is_empty() {
        return Ok(None);
    }
    let span = subject_span(control, prompt)?;
    let subjects = meter.subjects(&prompt.prompt);
    let within = |bytes: &std::ops::Range<usize>| {
        span.bytes.start <= bytes.start && bytes.end <= span.bytes.end
    };
    let mut named = subjects.iter().filter(|s| within(&s.bytes));
    match (named.next(), named.next()) {
        (Some(only), None) => Ok(Some(only.place)),
        _ => Err(EngineError::request(
            control.wanted.to_string(),
            format!(
                "the meter does not know where \"{}\" stands in the picture; name one subject by \
                 its noun",
                span.text
            ),
        )),
    }
}
