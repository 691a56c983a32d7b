//! The maps that a U-Net makes of a picture's latents, each half as wide and high as the last.

use super::AttentionSite;
use crate::EngineError;

/// Height and width of latents of `height` × `width` and of every feature map below them, down to
/// one cell: as the U-Net's convolutions of stride 2 with padding 1 halve.
pub(crate) fn feature_maps(height: i64, width: i64) -> impl Iterator<Item = (i64, i64)> {
    std::iter::successors(Some((height, width)), |&(h, w)| {
        ((h, w) != (1, 1)).then(|| ((h + 1) / 2, (w + 1) / 2))
    })
}

/// Says that the attention at `site` sees `pixels` places, which is none of the
/// [`feature_maps`]; `field` is what counts differently from place to place.
pub(crate) fn no_such_map(field: &str, pixels: i64, site: &AttentionSite) -> EngineError {
    EngineError::request(
        field,
        format!(
            "{} has {pixels} places, which fits no halving of the picture; choose a size of which \
             both sides are multiples of 64",
            site.name
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::feature_maps;

    #[test]
    fn maps_are_halved_upwards_down_to_one_cell() {
        let maps: Vec<_> = feature_maps(5, 8).collect();
        assert_eq!(maps, [(5, 8), (3, 4), (2, 2), (1, 1)]);
        assert_eq!(feature_maps(1, 1).count(), 1);
    }
}
