//! Folders of pictures: with their table, for adapters to be trained from, of one subject, and with
//! edits to measure.

use vernier_engine::{EngineError, Result};
use vernier_world::{Attribute, CaptionOptions, Kind, SampleOptions};

use super::Session;
use super::console::{progress, say};
use crate::cli::{EditCases, ExportFolder, ExportSubject, Who};
use crate::edit_cases;
use crate::folder::{self, FolderOptions};
use crate::subject::NamedSubject;

impl Session {
    pub(super) fn export_folder(&self, options: &ExportFolder) -> Result<()> {
        let options = FolderOptions {
            count: options.count,
            first: options.first,
            sample: SampleOptions {
                two_subjects: options.two_subjects,
                neutral_light: options.neutral_light,
                kinds: kinds(&options.kinds)?,
                ..SampleOptions::default()
            },
            captions: CaptionOptions {
                omit: attributes(&options.omit)?,
                ..CaptionOptions::default()
            },
        };
        let bar = progress(options.count, "pictures");
        folder::export(self.place.out(), &options, |done| {
            bar.set_position(done);
            self.flow()
        })?;
        bar.finish_and_clear();
        let table = self.place.out().join(folder::TABLE);
        say(&format!("pictures and table: {}", table.display()));
        Ok(())
    }

    pub(super) fn export_subject(&self, options: &ExportSubject) -> Result<()> {
        let subject = named_subject(&options.who)?;
        subject.export(self.place.out(), options.count)?;
        say(&format!("pictures: {}", self.place.out().display()));
        Ok(())
    }
}

/// The subject that the command line means.
pub(super) fn named_subject(who: &Who) -> Result<NamedSubject> {
    let found = Kind::ALL.into_iter().find(|kind| kind.noun() == who.kind);
    let kind =
        found.ok_or_else(|| unknown("--kind", &who.kind, &Kind::ALL.map(Kind::noun).join(", ")))?;
    Ok(NamedSubject {
        word: who.word.clone(),
        seed: who.seed,
        kind,
    })
}

impl Session {
    pub(super) fn edit_cases(&self, options: &EditCases) -> Result<()> {
        let bar = progress(options.count, "cases");
        edit_cases::export(self.place.out(), options.first, options.count, |done| {
            bar.set_position(done);
            self.flow()
        })?;
        bar.finish_and_clear();
        let list = self.place.out().join(edit_cases::LIST);
        say(&format!("cases: {}", list.display()));
        Ok(())
    }
}

fn kinds(names: &[String]) -> Result<Vec<Kind>> {
    let kind = |name: &String| {
        let found = Kind::ALL.into_iter().find(|kind| kind.noun() == name);
        found.ok_or_else(|| unknown("--kinds", name, &Kind::ALL.map(Kind::noun).join(", ")))
    };
    names.iter().map(kind).collect()
}

fn attributes(names: &[String]) -> Result<Vec<Attribute>> {
    let attribute = |name: &String| {
        let found = Attribute::all().find(|attribute| attribute.name() == name);
        found.ok_or_else(|| {
            let all: Vec<&str> = Attribute::all().map(Attribute::name).collect();
            unknown("--omit", name, &all.join(", "))
        })
    };
    names.iter().map(attribute).collect()
}

fn unknown(option: &str, name: &str, all: &str) -> EngineError {
    EngineError::request(option, format!("\"{name}\" is not one of {all}"))
}

#[cfg(test)]
mod tests {
    use super::{attributes, kinds};

    #[test]
    fn names_of_the_world_are_understood_and_others_refused() {
        let names = |words: &[&str]| words.iter().map(|&w| w.to_owned()).collect::<Vec<_>>();
        assert_eq!(kinds(&names(&["man", "car"])).unwrap().len(), 2);
        assert_eq!(attributes(&names(&["age", "hat"])).unwrap().len(), 2);
        let said = kinds(&names(&["horse"])).unwrap_err().to_string();
        assert!(
            said.starts_with("--kinds: \"horse\" is not one of man"),
            "{said}"
        );
        assert!(attributes(&names(&["height"])).is_err());
    }
}
