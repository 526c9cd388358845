//! Medians, percentiles and ratios of what the rounds brought.

/// The value below which `share` (0 to 1) of the values lie; `NaN` of nothing.
pub(crate) fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = share * last as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

/// The middle value; `NaN` of nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(values, 0.5)
}

/// A ratio over all rounds: each round's own ratio, so that a noisy minute counts for both sides.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub(crate) struct Ratio {
    pub(crate) median: f64,
    /// A quarter of the rounds lies below.
    pub(crate) low: f64,
    /// A quarter of the rounds lies above.
    pub(crate) high: f64,
}

impl Ratio {
    /// Round by round, `these` over `those`.
    pub(crate) fn of(these: &[f64], those: &[f64]) -> Self {
        let ratios: Vec<f64> = these.iter().zip(those).map(|(this, that)| this / that).collect();
        Self { median: median(&ratios), low: percentile(&ratios, 0.25), high: percentile(&ratios, 0.75) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_stand_between_their_neighbours() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[1.0, 2.0]), 1.5);
        assert_eq!(percentile(&[0.0, 10.0, 20.0, 30.0], 0.75), 22.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn a_noisy_round_does_not_bend_a_ratio() {
        let ratio = Ratio::of(&[1.0, 50.0, 1.0], &[2.0, 100.0, 2.0]);
        assert_eq!((ratio.median, ratio.low, ratio.high), (0.5, 0.5, 0.5));
    }
}
