//! The command line, to be written down.

/// Options that say how this run goes rather than what comes out.
const PASSING: [&str; 3] = ["--unless-done", "--fresh", "--json"];

/// The command that this program was started with, as a shell would take it.
pub(in super::super) fn of_this_run() -> String {
    let args = std::env::args_os().skip(1);
    written(args.map(|arg| arg.to_string_lossy().into_owned()))
}

fn written(args: impl Iterator<Item = String>) -> String {
    let mut words = vec!["vernier".to_owned()];
    words.extend(
        args.filter(|arg| !PASSING.contains(&arg.as_str()))
            .map(|arg| quoted(&arg)),
    );
    words.join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=+%@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::written;

    #[test]
    fn a_shell_would_read_the_same_words() {
        let args = [
            "train",
            "--fresh",
            "--positive",
            "an old {subject}",
            "it's",
            "",
        ];
        let text = written(args.iter().map(|&a| a.to_owned()));
        assert_eq!(
            text,
            r"vernier train --positive 'an old {subject}' 'it'\''s' ''"
        );
    }
}
