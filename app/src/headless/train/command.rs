//! The command line, to be written down.

use vernier_engine::control_training::in_shell;

/// Options that say how this run goes rather than what comes out.
const PASSING: [&str; 3] = ["--unless-done", "--fresh", "--json"];

/// The command that this program was started with, as a shell would take it.
pub(in super::super) fn of_this_run() -> String {
    let args = std::env::args_os().skip(1);
    written(args.map(|arg| arg.to_string_lossy().into_owned()))
}

fn written(args: impl Iterator<Item = String>) -> String {
    let own = args.filter(|arg| !PASSING.contains(&arg.as_str()));
    in_shell([String::from("vernier")].into_iter().chain(own))
}

#[cfg(test)]
mod tests {
    use super::written;

    #[test]
    fn what_only_this_run_needs_is_left_out() {
        let args = ["train", "--fresh", "--positive", "an old {subject}"];
        let text = written(args.iter().map(|&a| a.to_owned()));
        assert_eq!(text, "vernier train --positive 'an old {subject}'");
    }
}
