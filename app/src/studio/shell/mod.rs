//! What surrounds the panes: menus, palette, docks, messages, dialogs.

mod browser;
mod dialogs;
mod docks;
mod keys_window;
mod menu;
mod palette;
mod relink;
mod status;
mod toasts;

pub(crate) use dialogs::{Asked, Dialogs};
pub(crate) use docks::{Docks, Pane};
pub(crate) use keys_window::keys_window;
pub(crate) use menu::menu_bar;
pub(crate) use palette::Palette;
pub(crate) use relink::{Relink, Relinked};
pub(crate) use status::status_bar;
pub(crate) use toasts::toasts_ui;
