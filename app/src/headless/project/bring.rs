//! `vernier project new` and `add`: recipes and pictures from files.

use std::path::Path;

use vernier_engine::EngineError;
use vernier_engine::picture::PictureShelf;
use vernier_engine::project::{Project, ProjectFile, ResultEntry, result_png_name};
use vernier_engine::recipe::Recipe;

use super::{AddArgs, NewArgs, tell};
use crate::failure::Failure;
use crate::headless::render::{is_png, read_recipes};
use crate::headless::results::name_of;
use crate::headless::say;

/// Makes a project.
pub(super) fn new(args: &NewArgs) -> Result<(), Failure> {
    let mut project: Option<Project> = None;
    let mut attachments = Vec::new();
    let pictures = PictureShelf::default();
    for path in &args.from {
        let recipes = read_recipes(path)?;
        let several = recipes.len() > 1;
        for (number, mut recipe) in (1..).zip(recipes) {
            pictures.name(&mut recipe)?;
            let name = args.name.clone().unwrap_or_else(|| name_of(&args.file));
            let project = project.get_or_insert_with(|| Project::new(name, recipe.clone()));
            if is_png(path) {
                let png = std::fs::read(path).map_err(|e| EngineError::io(path, e))?;
                let result = ResultEntry::new(recipe.clone(), 0.0, project);
                attachments.push((result_png_name(&result.id), png));
                project.results.push(result);
            }
            let name = if several {
                format!("{} {number}", name_of(path))
            } else {
                name_of(path)
            };
            project.add_recipe(free_name(project, &name), recipe);
        }
    }
    let Some(project) = project else {
        return Err(Failure::Usage("--from: there is no recipe".to_owned()));
    };
    // Pictures first: a project is made whole or not at all.
    ProjectFile::create_with(&args.file, &project, &attachments)?;
    say(&args.file.display().to_string());
    Ok(())
}

/// `name`, or where that is taken, with a number behind it.
fn free_name(project: &Project, name: &str) -> String {
    let mut free = name.to_owned();
    let mut number = 1;
    while has(project, &free) {
        number += 1;
        free = format!("{name} ({number})");
    }
    free
}

fn has(project: &Project, name: &str) -> bool {
    project.recipes.iter().any(|named| named.name == name)
}

/// Puts a recipe into a project.
pub(super) fn add(args: &AddArgs) -> Result<(), Failure> {
    let mut recipe = one_recipe(&args.from)?;
    PictureShelf::default().name(&mut recipe)?;
    if args.recipe_name.trim().is_empty() {
        return Err(Failure::Usage("--recipe-name: is empty".to_owned()));
    }
    let opened = ProjectFile::open(&args.file)?;
    tell(&opened.notes);
    let (mut file, mut project) = (opened.file, opened.project);
    if has(&project, &args.recipe_name) {
        return Err(Failure::Usage(format!(
            "--recipe-name: {} has a recipe {:?} already; choose another name",
            args.file.display(),
            args.recipe_name
        )));
    }
    project.add_recipe(args.recipe_name.clone(), recipe);
    file.save(&project, &[])?;
    say(&args.file.display().to_string());
    Ok(())
}

fn one_recipe(path: &Path) -> Result<Recipe, Failure> {
    let mut recipes = read_recipes(path)?;
    match (recipes.pop(), recipes.len()) {
        (Some(recipe), 0) => Ok(recipe),
        (_, more) => Err(Failure::Usage(format!(
            "--from: {} holds {} recipes, where one belongs",
            path.display(),
            more + 1
        ))),
    }
}
