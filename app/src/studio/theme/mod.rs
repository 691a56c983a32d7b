//! How everything looks: one set of tokens, in light and dark.

mod tokens;

use std::sync::Arc;

use egui::{
    CornerRadius, FontData, FontDefinitions, FontFamily, FontId, Margin, RichText, Stroke,
    TextStyle, Theme, Visuals,
};

pub(crate) use tokens::{Tokens, space};

/// Family of headings and emphasis.
pub(crate) const SEMIBOLD: &str = "Inter SemiBold";

/// `text` in the family of headings and emphasis, as large as the text around it.
pub(crate) fn semibold(text: impl Into<String>) -> RichText {
    RichText::new(text).family(FontFamily::Name(SEMIBOLD.into()))
}

/// Installs fonts and both themes.
pub(crate) fn install(ctx: &egui::Context) {
    ctx.set_fonts(fonts());
    for theme in [Theme::Dark, Theme::Light] {
        let tokens = Tokens::of(theme);
        ctx.set_visuals_of(theme, visuals(&tokens, theme));
        ctx.style_mut_of(theme, |style| {
            let semibold = FontFamily::Name(SEMIBOLD.into());
            style.text_styles = [
                (
                    TextStyle::Small,
                    FontId::new(11.0, FontFamily::Proportional),
                ),
                (TextStyle::Body, FontId::new(13.0, FontFamily::Proportional)),
                (
                    TextStyle::Button,
                    FontId::new(13.0, FontFamily::Proportional),
                ),
                (TextStyle::Heading, FontId::new(14.0, semibold)),
                (
                    TextStyle::Monospace,
                    FontId::new(12.0, FontFamily::Monospace),
                ),
            ]
            .into();
            let spacing = &mut style.spacing;
            spacing.item_spacing = egui::vec2(space::M, space::S);
            spacing.button_padding = egui::vec2(space::M, space::XS);
            spacing.interact_size = egui::vec2(28.0, 24.0);
            spacing.window_margin = Margin::same(space::L as i8);
            spacing.menu_margin = Margin::same(space::S as i8);
            spacing.slider_rail_height = 4.0;
            spacing.combo_width = 120.0;
        });
    }
}

fn fonts() -> FontDefinitions {
    let mut fonts = FontDefinitions::default();
    let regular = include_bytes!("../../../../assets/fonts/Inter-Regular.ttf");
    let semibold = include_bytes!("../../../../assets/fonts/Inter-SemiBold.ttf");
    let mut add = |name: &str, bytes: &'static [u8]| {
        let data = Arc::new(FontData::from_static(bytes));
        fonts.font_data.insert(name.to_owned(), data);
    };
    add("Inter", regular);
    add(SEMIBOLD, semibold);
    let others = fonts
        .families
        .get(&FontFamily::Proportional)
        .cloned()
        .unwrap_or_default();
    // Inter first; what it lacks, icons above all, comes from the others.
    let family = |first: &str| {
        let mut names = vec![first.to_owned()];
        names.extend(others.iter().cloned());
        names
    };
    fonts
        .families
        .insert(FontFamily::Proportional, family("Inter"));
    fonts
        .families
        .insert(FontFamily::Name(SEMIBOLD.into()), family(SEMIBOLD));
    fonts
}

fn visuals(tokens: &Tokens, theme: Theme) -> Visuals {
    let mut visuals = match theme {
        Theme::Dark => Visuals::dark(),
        Theme::Light => Visuals::light(),
    };
    let radius = CornerRadius::same(tokens::RADIUS);
    visuals.panel_fill = tokens.panel;
    visuals.window_fill = tokens.raised;
    visuals.window_stroke = Stroke::new(1.0, tokens.line);
    visuals.window_corner_radius = CornerRadius::same(tokens::RADIUS * 2);
    visuals.menu_corner_radius = radius;
    visuals.extreme_bg_color = tokens.well;
    visuals.text_edit_bg_color = Some(tokens.well);
    visuals.faint_bg_color = tokens.raised;
    visuals.code_bg_color = tokens.well;
    visuals.warn_fg_color = tokens.caution;
    visuals.error_fg_color = tokens.trouble;
    visuals.hyperlink_color = tokens.accent;
    visuals.weak_text_color = Some(tokens.text_weak);
    visuals.selection.bg_fill = tokens.accent.gamma_multiply(0.35);
    visuals.selection.stroke = Stroke::new(1.0, tokens.text);
    let widgets = &mut visuals.widgets;
    let states = [
        (
            &mut widgets.noninteractive,
            tokens.panel,
            tokens.line,
            tokens.text,
        ),
        (
            &mut widgets.inactive,
            tokens.raised,
            tokens.line,
            tokens.text,
        ),
        (
            &mut widgets.hovered,
            tokens.hover,
            tokens.accent_dim,
            tokens.text,
        ),
        (
            &mut widgets.active,
            tokens.pressed,
            tokens.accent,
            tokens.text,
        ),
        (
            &mut widgets.open,
            tokens.hover,
            tokens.accent_dim,
            tokens.text,
        ),
    ];
    for (state, fill, line, text) in states {
        state.bg_fill = fill;
        state.weak_bg_fill = fill;
        state.bg_stroke = Stroke::new(1.0, line);
        state.fg_stroke = Stroke::new(1.0, text);
        state.corner_radius = radius;
        state.expansion = 0.0;
    }
    visuals
}
