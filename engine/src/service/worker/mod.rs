//! The engine thread's loop: a queue of jobs, one loaded model.

mod inbox;
mod jobs;
mod model;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::sync::mpsc::{Receiver, Sender};

use self::jobs::{measure, render};
use super::{Command, Event, JobId, MeasureRequest, RenderOptions, background};
use crate::EngineError;
use crate::device;
use crate::recipe::Recipe;

pub(super) use inbox::Inbox;

pub(super) const THREAD_NAME: &str = "vernier-engine";

/// Keeps the default hook from printing panics of the engine's threads: they become
/// [`Event::Failed`], and the text goes to the log.
pub(super) fn silence_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let default = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let own = [THREAD_NAME, background::THREAD_NAME];
            if std::thread::current()
                .name()
                .is_some_and(|name| own.contains(&name))
            {
                log::debug!("{info}");
            } else {
                default(info);
            }
        }));
    });
}

struct Job {
    id: JobId,
    work: Work,
    options: RenderOptions,
}

enum Work {
    Render(Vec<Recipe>),
    Measure(Box<MeasureRequest>),
}

/// Runs until [`Command::Shutdown`] comes or all senders are gone.
pub(super) fn run(commands: Receiver<Command>, events: Sender<Event>) {
    device::use_all_cores();
    let mut inbox = Inbox::new(commands, events);
    let mut renderer = None;
    while let Some(job) = inbox.next_job() {
        let id = job.id;
        inbox.running = Some(id);
        inbox.cancel_running = false;
        let outcome = catch_unwind(AssertUnwindSafe(|| match &job.work {
            Work::Render(recipes) => render(&job, recipes, &mut renderer, &mut inbox),
            Work::Measure(request) => measure(&job, request, &mut renderer, &mut inbox),
        }));
        let outcome = outcome.unwrap_or_else(|panic| {
            // Nobody knows what state the model was left in.
            renderer = None;
            Err(internal_error(panic.as_ref()))
        });
        inbox.running = None;
        inbox.tell(match outcome {
            Ok(()) => Event::Finished { job: id },
            Err(EngineError::Cancelled) => Event::Cancelled { job: id },
            Err(error) => Event::Failed {
                job: id,
                is_usage: error.is_usage(),
                message: error.to_string(),
            },
        });
    }
}

pub(super) fn internal_error(panic: &(dyn Any + Send)) -> EngineError {
    let said = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    EngineError::bad_file(
        "engine",
        format!(
            "internal error ({}); please report it",
            said.lines().next().unwrap_or("no message")
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_one_sentence() {
        let panic = catch_unwind(|| panic!("index 3 out of range\nand a stack trace")).unwrap_err();
        let said = internal_error(panic.as_ref()).to_string();
        assert!(said.contains("index 3 out of range"), "{said}");
        assert!(!said.contains('\n') && said.contains("report"), "{said}");
    }
}
