//! Figures that say how good something is.

/// Peak signal-to-noise ratio in dB of a mean square error on a scale that spans `range`.
pub fn psnr_db(mean_square: f64, range: f64) -> f64 {
    10.0 * (range * range / mean_square.max(1e-12)).log10()
}

#[cfg(test)]
mod tests {
    use super::psnr_db;

    #[test]
    fn an_error_of_a_tenth_of_the_range_is_20_db() {
        assert!((psnr_db(25.5 * 25.5, 255.0) - 20.0).abs() < 1e-9);
        assert!((psnr_db(0.04, 2.0) - 20.0).abs() < 1e-9);
    }
}
