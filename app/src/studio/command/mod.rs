//! Everything that can be asked of the studio by menu, palette or key.

mod keys;
mod menu;

pub use keys::{KeyBindings, Shortcut};
pub use menu::MenuName;

/// A command. Menus, the palette and the keys are all made from this one list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UiCommand {
    /// Puts the bench into the queue.
    Render,
    /// Stops the running job.
    CancelCurrent,
    /// Empties the queue; the running job goes on.
    CancelPending,
    /// Stops everything.
    CancelAll,
    /// Keeps the bench's present picture.
    Keep,
    /// The picture follows the sliders, or not.
    ToggleLive,
    /// Another random seed.
    NewSeed,
    /// The seed after this one.
    NextSeed,
    /// The seed before this one.
    PreviousSeed,
    /// One step back.
    Undo,
    /// One step forward.
    Redo,
    /// All sliders to where they do nothing.
    ResetControls,
    /// An empty project.
    NewProject,
    /// Opens a project or a picture's recipe.
    Open,
    /// Saves the project.
    Save,
    /// Saves the project under another name.
    SaveAs,
    /// Writes the shown picture as a PNG.
    ExportPicture,
    /// The shown picture to the clipboard.
    CopyPicture,
    /// The bench's recipe as JSON to the clipboard.
    CopyRecipe,
    /// A recipe from the clipboard.
    PasteRecipe,
    /// Takes the shown picture's recipe onto the bench.
    AdoptResult,
    /// The picture before.
    PreviousResult,
    /// The picture after.
    NextResult,
    /// Marks the shown picture.
    StarResult,
    /// Takes the shown picture out of the project.
    RemoveResult,
    /// The shown picture becomes the one to compare with.
    PinForComparison,
    /// No comparison, wipe, heat map, in turn.
    CycleComparison,
    /// The shown picture becomes the one to start from.
    UseAsSource,
    /// A picture file to start from.
    OpenSource,
    /// The clipboard's picture to start from.
    PasteSource,
    /// Starts from noise alone.
    ClearSource,
    /// Paints with the brush.
    ToolBrush,
    /// Paints what a line encloses.
    ToolLasso,
    /// Paints a rectangle.
    ToolBox,
    /// From adding to taking away, and back.
    SwapInk,
    /// A smaller brush.
    BrushSmaller,
    /// A larger brush.
    BrushLarger,
    /// What may change may not, and the other way round.
    InvertMask,
    /// The mask a little larger.
    GrowMask,
    /// The mask a little smaller.
    ShrinkMask,
    /// Everything may change.
    FillMask,
    /// Takes all paint away.
    ClearMask,
    /// Words for another part of the picture.
    AddRegion,
    /// By words instead of paint, or back.
    EditByWords,
    /// Another thing changes by words.
    AddChange,
    /// Draws the masks, or not.
    ToggleMasks,
    /// Result, source, and both beside a line, in turn.
    CycleEditView,
    /// The whole picture.
    ZoomToFit,
    /// One pixel of the picture is one of the screen.
    ZoomToPixels,
    /// Nearer.
    ZoomIn,
    /// Farther.
    ZoomOut,
    /// Controls are trained, and pictures made ready for it.
    ShowTrain,
    /// Starts the training, pauses it, goes on with it.
    ToggleTraining,
    /// Writing goes to the prompt.
    FocusPrompt,
    /// What shall change, in plain words.
    Talk,
    /// Models and controls, to be searched.
    SearchLibrary,
    /// Another folder of models.
    AddModels,
    /// A LoRA or an embedding in a file.
    AddAdapter,
    /// All commands, to be searched.
    Palette,
    /// Light or dark.
    ToggleTheme,
    /// Panes to where they were at first.
    ResetLayout,
    /// What keys do.
    ShowKeys,
    /// Ends the program.
    Quit,
}

impl UiCommand {
    /// All of them, in the order of menus and palette.
    pub const ALL: [Self; 63] = [
        Self::NewProject,
        Self::Open,
        Self::Save,
        Self::SaveAs,
        Self::ExportPicture,
        Self::AddAdapter,
        Self::AddModels,
        Self::Quit,
        Self::Undo,
        Self::Redo,
        Self::ResetControls,
        Self::CopyRecipe,
        Self::PasteRecipe,
        Self::FocusPrompt,
        Self::Talk,
        Self::SearchLibrary,
        Self::Palette,
        Self::Render,
        Self::Keep,
        Self::ToggleLive,
        Self::NewSeed,
        Self::NextSeed,
        Self::PreviousSeed,
        Self::CancelCurrent,
        Self::CancelPending,
        Self::CancelAll,
        Self::ToggleTraining,
        Self::AdoptResult,
        Self::PreviousResult,
        Self::NextResult,
        Self::StarResult,
        Self::RemoveResult,
        Self::CopyPicture,
        Self::PinForComparison,
        Self::CycleComparison,
        Self::UseAsSource,
        Self::OpenSource,
        Self::PasteSource,
        Self::ClearSource,
        Self::ToolBrush,
        Self::ToolLasso,
        Self::ToolBox,
        Self::SwapInk,
        Self::BrushSmaller,
        Self::BrushLarger,
        Self::InvertMask,
        Self::GrowMask,
        Self::ShrinkMask,
        Self::FillMask,
        Self::ClearMask,
        Self::AddRegion,
        Self::EditByWords,
        Self::AddChange,
        Self::ToggleMasks,
        Self::CycleEditView,
        Self::ZoomToFit,
        Self::ZoomToPixels,
        Self::ZoomIn,
        Self::ZoomOut,
        Self::ShowTrain,
        Self::ToggleTheme,
        Self::ResetLayout,
        Self::ShowKeys,
    ];

    /// What menus and palette call it; an ellipsis says that it asks for more.
    pub fn title(self) -> &'static str {
        self.words().1
    }

    /// What it does, in a sentence.
    pub fn help(self) -> &'static str {
        self.words().2
    }

    /// Its name in files of key bindings.
    pub fn name(self) -> &'static str {
        self.words().0
    }

    /// The command of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|command| command.name() == name)
    }

    #[rustfmt::skip]
    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Render => ("render", "Render", "Puts the bench into the queue; its pictures are kept"),
            Self::CancelCurrent => ("cancel_current", "Cancel", "Stops the running job; finished pictures stay"),
            Self::CancelPending => ("cancel_pending", "Cancel waiting jobs", "Empties the queue; the running job goes on"),
            Self::CancelAll => ("cancel_all", "Cancel everything", "Stops the running job and empties the queue"),
            Self::Keep => ("keep", "Keep this picture", "Adds the bench's present picture to the project"),
            Self::ToggleLive => ("toggle_live", "Live", "The picture follows every slider as it moves"),
            Self::NewSeed => ("new_seed", "New seed", "Another picture of the same recipe"),
            Self::NextSeed => ("next_seed", "Next seed", "The seed after this one"),
            Self::PreviousSeed => ("previous_seed", "Previous seed", "The seed before this one"),
            Self::Undo => ("undo", "Undo", "One step back; pictures that were made stay"),
            Self::Redo => ("redo", "Redo", "One step forward"),
            Self::ResetControls => ("reset_controls", "Reset all controls", "Every slider that is not locked to where it does nothing"),
            Self::NewProject => ("new_project", "New project", "Starts over with an empty project"),
            Self::Open => ("open", "Open…", "Opens a project, or a picture for its recipe"),
            Self::Save => ("save", "Save", "Saves the project"),
            Self::SaveAs => ("save_as", "Save as…", "Saves the project under another name"),
            Self::ExportPicture => ("export_picture", "Export picture…", "Writes the shown picture as a PNG with its recipe"),
            Self::CopyPicture => ("copy_picture", "Copy picture", "The shown picture to the clipboard"),
            Self::CopyRecipe => ("copy_recipe", "Copy recipe", "The bench's recipe as JSON to the clipboard"),
            Self::PasteRecipe => ("paste_recipe", "Paste recipe…", "Takes a recipe, or another program's parameters or graph, as text"),
            Self::AdoptResult => ("adopt_result", "Take onto the bench", "Takes the shown picture's recipe onto the bench"),
            Self::PreviousResult => ("previous_result", "Previous picture", "Shows the picture before"),
            Self::NextResult => ("next_result", "Next picture", "Shows the picture after"),
            Self::StarResult => ("star_result", "Star", "Marks the shown picture, or unmarks it"),
            Self::RemoveResult => ("remove_result", "Remove picture", "Takes the shown picture out of the project; undo brings it back"),
            Self::PinForComparison => ("pin_for_comparison", "Pin for comparison", "The shown picture becomes the one to compare with"),
            Self::CycleComparison => ("cycle_comparison", "Compare", "Wipe, heat map and no comparison in turn"),
            Self::UseAsSource => ("use_as_source", "Use as source", "The shown picture becomes the one that the next starts from"),
            Self::OpenSource => ("open_source", "Open a source…", "Starts from a picture file"),
            Self::PasteSource => ("paste_source", "Paste a source", "Starts from the picture in the clipboard"),
            Self::ClearSource => ("clear_source", "Clear the source", "Starts from noise alone; the mask goes too"),
            Self::ToolBrush => ("tool_brush", "Brush", "Paints with a round brush"),
            Self::ToolLasso => ("tool_lasso", "Lasso", "Paints what a line drawn by hand encloses"),
            Self::ToolBox => ("tool_box", "Box", "Paints a rectangle from corner to corner"),
            Self::SwapInk => ("swap_ink", "Add or erase", "From adding to the mask to taking from it, and back"),
            Self::BrushSmaller => ("brush_smaller", "Smaller brush", "One size smaller"),
            Self::BrushLarger => ("brush_larger", "Larger brush", "One size larger"),
            Self::InvertMask => ("invert_mask", "Invert mask", "What may change may not, and the other way round"),
            Self::GrowMask => ("grow_mask", "Grow mask", "Makes the mask larger on every side"),
            Self::ShrinkMask => ("shrink_mask", "Shrink mask", "Makes the mask smaller on every side"),
            Self::FillMask => ("fill_mask", "Fill mask", "Covers the whole picture"),
            Self::ClearMask => ("clear_mask", "Clear mask", "Takes all paint away"),
            Self::AddRegion => ("add_region", "Add a region", "Another part of the picture gets words of its own"),
            Self::EditByWords => ("edit_by_words", "Edit by words", "Changes things of the source by their words, or goes back to paint"),
            Self::AddChange => ("add_change", "Add a change", "Another thing of the source becomes something else"),
            Self::ToggleMasks => ("toggle_masks", "Show masks", "Draws the masks over the picture, or not"),
            Self::CycleEditView => ("cycle_edit_view", "Source or result", "Result, source, one beside the other, and their difference in turn"),
            Self::ZoomToFit => ("zoom_to_fit", "Fit", "The whole picture"),
            Self::ZoomToPixels => ("zoom_to_pixels", "1:1", "One pixel of the picture is one of the screen"),
            Self::ZoomIn => ("zoom_in", "Zoom in", "Nearer"),
            Self::ZoomOut => ("zoom_out", "Zoom out", "Farther"),
            Self::ShowTrain => ("show_train", "Train", "Makes controls, from words or from pictures"),
            Self::ToggleTraining => ("toggle_training", "Start or pause training", "Starts what the form asks for, pauses the shown training or goes on with it"),
            Self::FocusPrompt => ("focus_prompt", "Edit prompt", "Writing goes to the prompt"),
            Self::Talk => ("talk", "Say what to change", "Changes the picture by plain words, such as \"make her smile a bit more\""),
            Self::SearchLibrary => ("search_library", "Search the library", "Models, controls and adapters at hand; they can be drawn onto the prompt"),
            Self::AddAdapter => ("add_adapter", "Add a LoRA or embedding…", "Puts another program's LoRA or embedding to work"),
            Self::AddModels => ("add_models", "Add a folder of models…", "Models are looked for there, too"),
            Self::Palette => ("palette", "Command palette…", "All commands, to be searched"),
            Self::ToggleTheme => ("toggle_theme", "Light or dark", "Changes the theme"),
            Self::ResetLayout => ("reset_layout", "Reset layout", "Panes to where they were at first"),
            Self::ShowKeys => ("show_keys", "Keys…", "What every key does, and how to change it"),
            Self::Quit => ("quit", "Quit", "Saves and ends the program"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_command_has_a_name_of_its_own() {
        let names: HashSet<&str> = UiCommand::ALL.iter().map(|c| c.name()).collect();
        assert_eq!(names.len(), UiCommand::ALL.len());
        for command in UiCommand::ALL {
            assert_eq!(UiCommand::named(command.name()), Some(command));
        }
    }
}
