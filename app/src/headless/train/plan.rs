//! The command line's words as a plan.

use vernier_engine::Result;
use vernier_engine::control_training::{
    DirectionPlan, PromptPlan, SliderPlan, TrainingMethod, TrainingPlan,
};

use super::Passing;
use super::args::{CommonArgs, ControlTraining, DirectionArgs, Method, ScheduleArgs, SliderArgs};

impl ControlTraining {
    pub(super) fn passing(&self) -> Passing {
        match self {
            Self::Direction(args) => passing(&args.common, &args.schedule),
            Self::Slider(args) => passing(&args.common, &args.schedule),
            Self::Value(args) => args.pictures.passing(),
            Self::AttAdapter(args) => args.pictures.passing(),
        }
    }

    /// What is to be trained.
    pub(super) fn plan(&self) -> Result<TrainingPlan> {
        match self {
            Self::Direction(args) => direction(args),
            Self::Slider(args) => slider(args),
            Self::Value(args) => args.plan(),
            Self::AttAdapter(args) => args.plan(),
        }
    }
}

fn passing(common: &CommonArgs, schedule: &ScheduleArgs) -> Passing {
    Passing {
        unless_done: common.unless_done,
        fresh: schedule.fresh,
        json: common.json,
    }
}

fn direction(args: &DirectionArgs) -> Result<TrainingPlan> {
    let method = DirectionPlan {
        prompts: prompts(&args.common, &args.schedule),
        is_difference: args.method == Method::Difference,
        loss: args.loss.clone(),
        from_difference: args.from_difference,
        scales: args.scales.into(),
        scale_range: args.scale_range,
    };
    let plan = plan(
        &args.common,
        &args.schedule,
        TrainingMethod::Direction(method),
    )?;
    Ok(TrainingPlan {
        steps: args.steps,
        learning_rate: args.lr,
        ..plan
    })
}

fn slider(args: &SliderArgs) -> Result<TrainingPlan> {
    let method = SliderPlan {
        prompts: prompts(&args.common, &args.schedule),
        layers: args.layers.clone(),
        rank: args.rank,
        alpha: args.alpha,
        eta: args.eta,
        preserved: args.preserve.clone(),
    };
    let plan = plan(&args.common, &args.schedule, TrainingMethod::Slider(method))?;
    Ok(TrainingPlan {
        steps: args.steps,
        learning_rate: args.lr,
        ..plan
    })
}

fn prompts(common: &CommonArgs, schedule: &ScheduleArgs) -> PromptPlan {
    PromptPlan {
        attribute: common.attribute.clone(),
        positive: common.positive.clone(),
        negative: common.negative.clone(),
        target: common.target.clone(),
        subjects: common.subjects.clone(),
        prefixes: common.prefix.clone(),
        pairs: common.pairs.clone(),
        start: common.start,
        walks: schedule.walks.into(),
        sampling_steps: schedule.sampling_steps.map(usize::from),
        guidance_scale: schedule.guidance,
        betas: schedule.betas,
        strip_every_min: schedule.strips_every,
    }
}

fn plan(
    common: &CommonArgs,
    schedule: &ScheduleArgs,
    method: TrainingMethod,
) -> Result<TrainingPlan> {
    Ok(TrainingPlan {
        about: common.about.clone(),
        model: common.model.clone(),
        out: common.out.clone(),
        device: common.device.clone(),
        dtype: common.dtype.parse()?,
        workers: schedule.workers.map(usize::from),
        decay: schedule.decay,
        weight_decay: schedule.weight_decay,
        seed: schedule.seed,
        work: schedule.work.clone(),
        ..TrainingPlan::new(&common.name, method)
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use proptest::prelude::*;
    use vernier_engine::control_training::{
        AdapterPlan, DirectionPlan, PicturePlan, PromptPlan, SliderPlan, TrainingMethod,
        TrainingPlan, ValuePlan,
    };
    use vernier_engine::controls::Architecture;

    use super::ControlTraining;

    #[derive(Debug, clap::Parser)]
    struct Program {
        #[command(subcommand)]
        train: ControlTraining,
    }

    /// What the command line makes of the words after `vernier train`.
    fn read(plan: &TrainingPlan) -> TrainingPlan {
        let words = plan.words();
        assert_eq!(words[..2], ["vernier", "train"]);
        let program = Program::try_parse_from(&words[1..]);
        program
            .unwrap_or_else(|e| panic!("{words:?}: {e}"))
            .train
            .plan()
            .unwrap()
    }

    fn methods() -> [TrainingMethod; 4] {
        let prompts = PromptPlan {
            positive: vec!["an old {subject}".to_owned()],
            negative: vec!["a young {subject}".to_owned()],
            subjects: vec!["man".to_owned()],
            ..PromptPlan::default()
        };
        let pictures = PicturePlan {
            table: Some("t.csv".into()),
            ..PicturePlan::of("data")
        };
        let columns = vec!["age".to_owned()];
        [
            TrainingMethod::Direction(DirectionPlan {
                prompts: prompts.clone(),
                ..DirectionPlan::default()
            }),
            TrainingMethod::Slider(SliderPlan {
                prompts,
                ..SliderPlan::default()
            }),
            TrainingMethod::Value(ValuePlan {
                columns: columns.clone(),
                ..ValuePlan::of(pictures.clone())
            }),
            TrainingMethod::AttAdapter(AdapterPlan {
                columns,
                ..AdapterPlan::of(pictures)
            }),
        ]
    }

    #[test]
    fn what_is_usual_is_the_same_in_the_window_and_on_the_command_line() {
        for method in methods() {
            let plan = TrainingPlan::new("age", method);
            assert_eq!(read(&plan), plan);
        }
    }

    proptest! {
        #[test]
        fn a_copied_command_line_asks_for_the_same_training(
            method in 0..4_usize,
            steps in 1..5000_u64,
            rate in 1e-6..1.0_f64,
            decay in 0.0..=1.0_f64,
            seed in any::<u64>(),
            workers in proptest::option::of(1..=255_usize),
            text in "[ -~]{1,20}",
            folder in "[a-z '\"-]{1,12}",
            flag in any::<bool>(),
            number in 1..=200_u32,
            fraction in 0.0..0.99_f64,
        ) {
            let mut plan = TrainingPlan::new("age-2", methods()[method].clone());
            plan.steps = steps;
            plan.learning_rate = rate;
            plan.decay = decay;
            plan.seed = seed;
            plan.workers = workers;
            plan.about.clone_from(&text);
            plan.work = Some(folder.clone().into());
            let prompts = |prompts: &mut PromptPlan| {
                prompts.positive.push(text.clone());
                prompts.prefixes = vec![text.clone(), String::new()];
                prompts.start = flag.then_some(fraction);
                prompts.walks = number as usize;
                prompts.sampling_steps = flag.then_some(number as usize);
                prompts.guidance_scale = Some(fraction - 0.5);
                prompts.betas = (fraction, 0.5);
                prompts.strip_every_min = fraction;
            };
            match &mut plan.method {
                TrainingMethod::Direction(direction) => {
                    prompts(&mut direction.prompts);
                    direction.is_difference = flag;
                    direction.from_difference = flag;
                    direction.scales = number as usize;
                    direction.scale_range = (fraction, fraction + 1.0);
                }
                TrainingMethod::Slider(slider) => {
                    prompts(&mut slider.prompts);
                    slider.rank = number;
                    slider.alpha = fraction + 0.1;
                    slider.eta = flag.then_some(fraction + 1.0);
                    slider.preserved = vec!["smiling".to_owned(), "red".to_owned()];
                }
                TrainingMethod::Value(value) => {
                    value.quantities = vec!["brightness".to_owned(), "calm:a|b".to_owned()];
                    value.tokens = flag.then_some(number.into());
                    value.pictures.batch = number as usize;
                    value.pictures.data = folder.into();
                    value.pictures.caption_column = flag.then(|| text.clone());
                }
                TrainingMethod::AttAdapter(adapter) => {
                    adapter.architecture = Architecture::ALL[number as usize % 3];
                    adapter.tokens = number.into();
                    adapter.kl_weight = fraction;
                    adapter.pictures.data = folder.into();
                }
            }
            prop_assert_eq!(read(&plan), plan);
        }
    }
}
