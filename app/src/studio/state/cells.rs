//! Recipes side by side, and what was made of them.

use std::sync::Arc;

use vernier_engine::picture::Picture;
use vernier_engine::recipe::Recipe;

use super::Made;

/// One picture among others.
#[derive(Debug, Clone)]
pub struct Cell {
    /// What it shows.
    pub recipe: Recipe,
    /// The picture, once it is made.
    pub made: Option<Made>,
}

/// Pictures that are looked at together.
#[derive(Debug, Clone, Default)]
pub struct Cells(Vec<Cell>);

impl Cells {
    /// Nothing is made of `recipes` yet.
    pub fn new(recipes: impl IntoIterator<Item = Recipe>) -> Self {
        let cells = recipes.into_iter();
        Self(cells.map(|recipe| Cell { recipe, made: None }).collect())
    }

    /// All of them in order.
    pub fn all(&self) -> &[Cell] {
        &self.0
    }

    /// The pictures in order; `None` where one is still to be made.
    pub fn pictures(&self) -> impl ExactSizeIterator<Item = Option<&Arc<Picture>>> {
        let cells = self.0.iter();
        cells.map(|cell| cell.made.as_ref().map(|made| &made.picture))
    }

    /// Recipes whose pictures are still to be made.
    pub fn wanted(&self) -> impl Iterator<Item = &Recipe> {
        let unmade = self.0.iter().filter(|cell| cell.made.is_none());
        unmade.map(|cell| &cell.recipe)
    }

    /// Whether `recipe` is one whose picture is still to be made.
    pub fn wants(&self, recipe: &Recipe) -> bool {
        self.wanted().any(|own| own == recipe)
    }

    /// How many pictures are there.
    pub fn made(&self) -> usize {
        self.0.iter().filter(|cell| cell.made.is_some()).count()
    }

    /// Whether all pictures are there.
    pub fn is_whole(&self) -> bool {
        self.made() == self.0.len()
    }

    /// A picture was made: it goes wherever its recipe is.
    pub fn take(&mut self, asked: &Recipe, made: &Made) {
        for cell in &mut self.0 {
            if cell.made.is_none() && cell.recipe == *asked {
                cell.made = Some(made.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studio::state::testing;

    #[test]
    fn pictures_find_their_cells() {
        let recipe = |seed| testing::recipe("a man", seed);
        let mut cells = Cells::new((1..=5).map(recipe));
        cells.take(&recipe(4), &testing::made(recipe(4)));
        let filled: Vec<bool> = cells.pictures().map(|p| p.is_some()).collect();
        assert_eq!(filled, [false, false, false, true, false]);
        assert!(cells.wants(&recipe(1)) && !cells.wants(&recipe(4)));
        assert!(!cells.wants(&recipe(9)), "it is none of them");
        assert!(cells.made() == 1 && !cells.is_whole());
    }
}
