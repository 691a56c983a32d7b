//! Recipes as JSON: one object, or a list of them, which is a batch.

use std::io::{Read, Write};
use std::path::Path;

use serde_json::Value;

use super::{RECIPE_VERSION, Recipe};
use crate::atomic::{self, Existing};
use crate::{EngineError, Result};

/// Files above this size are not recipes; in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// Reads recipes from JSON text: one object or a list of them. `origin` is named in errors.
///
/// # Errors
/// The text is not JSON, lacks a field, or is of a newer version than [`RECIPE_VERSION`].
pub fn from_json(text: &str, origin: &Path) -> Result<Vec<Recipe>> {
    let value: Value = serde_json::from_str(text)
        .map_err(|e| EngineError::bad_file(origin, format!("is not JSON: {e}")))?;
    match value {
        Value::Array(values) if values.is_empty() => Err(EngineError::bad_file(
            origin,
            "is an empty list; a batch needs at least one recipe",
        )),
        Value::Array(values) => values
            .into_iter()
            .enumerate()
            .map(|(i, value)| one(value, origin, Some(i)))
            .collect(),
        value => Ok(vec![one(value, origin, None)?]),
    }
}

fn one(value: Value, origin: &Path, index: Option<usize>) -> Result<Recipe> {
    // The version comes first: a newer recipe may have other fields altogether.
    if let Some(version) = value.get("version").and_then(Value::as_u64)
        && version > u64::from(RECIPE_VERSION)
    {
        return Err(EngineError::bad_config(
            origin,
            "version",
            format!(
                "is {version}, and this program reads up to {RECIPE_VERSION}; update Vernier to \
                 render this recipe"
            ),
        ));
    }
    serde_json::from_value(value).map_err(|e| {
        let place = index.map_or_else(String::new, |i| format!(" (number {} of the list)", i + 1));
        EngineError::bad_file(origin, format!("is not a recipe{place}: {e}"))
    })
}

/// One recipe as an object, several as a list; indented JSON with a final newline.
///
/// # Errors
/// A guidance scale is not finite, which JSON cannot hold.
pub fn to_json(recipes: &[Recipe]) -> Result<String> {
    for recipe in recipes {
        if !recipe.guidance_scale.is_finite() {
            recipe.validate()?;
        }
    }
    let text = match recipes {
        [recipe] => serde_json::to_string_pretty(recipe),
        recipes => serde_json::to_string_pretty(recipes),
    };
    let text = text.map_err(|e| EngineError::request("recipe", e.to_string()))?;
    Ok(text + "\n")
}

/// Reads the recipe or batch in the JSON file `path`. Paths of pictures are relative to its folder.
///
/// # Errors
/// As [`from_json`], or the file cannot be read.
pub fn read(path: &Path) -> Result<Vec<Recipe>> {
    let file = std::fs::File::open(path).map_err(|e| EngineError::io(path, e))?;
    let mut text = String::new();
    file.take(MAX_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|e| match e.kind() {
            std::io::ErrorKind::InvalidData => {
                EngineError::bad_file(path, "is not a recipe: it is not UTF-8 text")
            }
            _ => EngineError::io(path, e),
        })?;
    if text.len() as u64 > MAX_BYTES {
        return Err(EngineError::bad_file(path, "is too large for a recipe"));
    }
    let mut recipes = from_json(&text, path)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    for picture in recipes.iter_mut().flat_map(Recipe::pictures_mut) {
        if let Some(own) = &mut picture.path {
            let place = folder.join(&*own);
            let place = std::path::absolute(&place).unwrap_or(place);
            *own = place.to_string_lossy().into_owned();
        }
    }
    Ok(recipes)
}

/// Writes one recipe or a batch to `path`, replacing it whole.
///
/// # Errors
/// As [`to_json`], or the folder cannot be written.
pub fn write(path: &Path, recipes: &[Recipe]) -> Result<()> {
    let text = to_json(recipes)?;
    atomic::write(path, Existing::Replace, |file| {
        file.write_all(text.as_bytes())
            .map_err(|e| EngineError::io(path, e))
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{arbitrary, sample};
    use super::super::{PictureRef, Source};
    use super::*;

    #[test]
    fn unknown_fields_survive() {
        let mut value = serde_json::to_value(sample()).unwrap();
        value["masks"] = serde_json::json!([{"name": "sky", "value": 0.25}]);
        value["controls"] = serde_json::json!([{
            "name": "age", "value": 0.25, "scale": "raw", "hash": "", "curve": [1, 2]
        }]);
        value["model"]["family"] = "sd1".into();
        let recipes = from_json(&value.to_string(), Path::new("r.json")).unwrap();
        let back: Value = serde_json::from_str(&to_json(&recipes).unwrap()).unwrap();
        assert_eq!(back, value);
    }

    #[test]
    fn a_newer_version_names_the_field() {
        let text = r#"{"version": 2, "quite": "different"}"#;
        let error = from_json(text, Path::new("new.json")).unwrap_err();
        let said = error.to_string();
        assert!(
            said.contains("new.json") && said.contains("\"version\""),
            "{said}"
        );
        assert!(said.contains("update"), "{said}");
    }

    #[test]
    fn a_batch_is_a_list() {
        let mut second = sample();
        second.seed = u64::MAX;
        let batch = vec![sample(), second];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("batch.json");
        write(&path, &batch).unwrap();
        assert_eq!(read(&path).unwrap(), batch);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn pictures_lie_beside_the_recipe_that_names_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.json");
        let mut recipe = sample();
        let mut picture = PictureRef::at(Path::new("/"));
        picture.path = Some("cat.png".to_owned());
        recipe.source = Some(Source::new(picture, 0.5));
        write(&path, &[recipe]).unwrap();
        let read = read(&path).unwrap();
        let found = read[0].pictures()[0].path.clone().unwrap();
        assert_eq!(Path::new(&found), folder.path().join("cat.png"));
    }

    #[test]
    fn what_is_not_a_recipe_gets_a_sentence() {
        for (text, expected) in [
            ("[]", "empty list"),
            ("{", "not JSON"),
            (r#"{"version": 1}"#, "missing field"),
            (r#"[{"version": 1}]"#, "number 1 of the list"),
            ("7", "not a recipe"),
        ] {
            let said = from_json(text, Path::new("x.json"))
                .unwrap_err()
                .to_string();
            assert!(said.contains("x.json") && said.contains(expected), "{said}");
        }
    }

    proptest! {
        #[test]
        fn json_gives_back_the_same_recipe(recipe in arbitrary()) {
            let text = to_json(std::slice::from_ref(&recipe)).unwrap();
            let back = from_json(&text, Path::new("r.json")).unwrap();
            prop_assert_eq!(back, vec![recipe]);
        }
    }
}
