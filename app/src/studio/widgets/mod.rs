//! Widgets of our own.

mod attribute_slider;
mod file_row;
mod icon_button;
mod left_label;
mod navigation;
mod picture_texture;
mod picture_textures;
mod weight_slider;

pub(crate) use attribute_slider::{SliderAnswer, attribute_slider};
pub(crate) use file_row::{file_problem, file_title};
pub(crate) use icon_button::{icon_button, icon_toggle};
pub(crate) use left_label::left_label;
pub(crate) use navigation::{panned, zoomed};
pub(crate) use picture_texture::{fit, picture_texture};
pub(crate) use picture_textures::PictureTextures;
pub(crate) use weight_slider::weight_slider;
