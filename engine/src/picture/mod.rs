//! PNG files that carry their recipe.
