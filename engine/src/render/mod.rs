//! From a recipe to pictures.
