//! The menus, and which command stands in which.

use super::UiCommand;

/// Where a command stands in the menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MenuName {
    /// Projects and files.
    File,
    /// The bench.
    Edit,
    /// The engine.
    Render,
    /// Kept pictures.
    Picture,
    /// Where the picture may change, and what it starts from.
    Mask,
    /// The window.
    View,
}

impl MenuName {
    /// In the order of the menu bar.
    pub const ALL: [Self; 6] = [
        Self::File,
        Self::Edit,
        Self::Render,
        Self::Picture,
        Self::Mask,
        Self::View,
    ];

    /// Its title.
    pub fn title(self) -> &'static str {
        match self {
            Self::File => "File",
            Self::Edit => "Edit",
            Self::Render => "Render",
            Self::Picture => "Picture",
            Self::Mask => "Mask",
            Self::View => "View",
        }
    }
}

impl UiCommand {
    /// The menu that it stands in.
    pub fn menu(self) -> MenuName {
        match self {
            Self::NewProject
            | Self::Open
            | Self::Save
            | Self::SaveAs
            | Self::ExportPicture
            | Self::AddAdapter
            | Self::AddModels
            | Self::Quit => MenuName::File,
            Self::Undo
            | Self::Redo
            | Self::ResetControls
            | Self::CopyRecipe
            | Self::PasteRecipe
            | Self::FocusPrompt
            | Self::Talk
            | Self::SearchLibrary
            | Self::Palette => MenuName::Edit,
            Self::Render
            | Self::Keep
            | Self::ToggleLive
            | Self::NewSeed
            | Self::NextSeed
            | Self::PreviousSeed
            | Self::CancelCurrent
            | Self::CancelPending
            | Self::CancelAll
            | Self::ToggleTraining => MenuName::Render,
            Self::AdoptResult
            | Self::PreviousResult
            | Self::NextResult
            | Self::StarResult
            | Self::RemoveResult
            | Self::CopyPicture
            | Self::PinForComparison
            | Self::CycleComparison => MenuName::Picture,
            Self::UseAsSource
            | Self::OpenSource
            | Self::PasteSource
            | Self::ClearSource
            | Self::ToolBrush
            | Self::ToolLasso
            | Self::ToolBox
            | Self::SwapInk
            | Self::BrushSmaller
            | Self::BrushLarger
            | Self::InvertMask
            | Self::GrowMask
            | Self::ShrinkMask
            | Self::FillMask
            | Self::ClearMask
            | Self::AddRegion
            | Self::EditByWords
            | Self::AddChange
            | Self::ToggleMasks
            | Self::CycleEditView => MenuName::Mask,
            Self::ZoomToFit
            | Self::ZoomToPixels
            | Self::ZoomIn
            | Self::ZoomOut
            | Self::ShowTrain
            | Self::ToggleTheme
            | Self::ResetLayout
            | Self::ShowKeys => MenuName::View,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn menus_hold_their_commands_together() {
        let menus: Vec<&str> = UiCommand::ALL.iter().map(|c| c.menu().title()).collect();
        let mut changes = menus.clone();
        changes.dedup();
        assert_eq!(changes, MenuName::ALL.map(MenuName::title));
    }
}
