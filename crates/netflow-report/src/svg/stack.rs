//! Layers on top of each other.

use std::fmt::Write as _;

/// Height of the picture, in its own units; its width is one unit for each bucket.
pub(crate) const HEIGHT: u32 = 1_000;

/// A layer of a stack.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Layer {
    /// Its outline, as path data.
    pub(crate) path: String,
    /// Where a sign fits into it: the middle of a rectangle, as fractions from the left and from the top.
    pub(crate) sign: Option<(f64, f64)>,
    /// Where a sign stands beside its right end, from the top: in order, and none upon another.
    pub(crate) beside: f64,
}

/// Layers for `values` (of each layer, for each bucket), the first at the bottom; `top` is the height of the axis.
///
/// A sign needs `sign_width` and `sign_height` of the picture, as fractions, to stand in its layer alone.
pub(crate) fn layers(values: &[Vec<f64>], top: f64, sign_width: f64, sign_height: f64) -> Vec<Layer> {
    let buckets = values.iter().map(Vec::len).max().unwrap_or(0);
    let mut below = vec![0.0; buckets];
    let mut layers = Vec::with_capacity(values.len());
    for values in values {
        let above: Vec<f64> = below
            .iter()
            .enumerate()
            .map(|(bucket, below)| below + values.get(bucket).copied().unwrap_or(0.0).max(0.0))
            .collect();
        let path = outline(&below, &above, top);
        let sign = place_for_sign(&below, &above, top, sign_width, sign_height);
        let last = below.last().zip(above.last()).map_or(0.0, |(below, above)| (below + above) / 2.0);
        layers.push(Layer { path, sign, beside: 1.0 - last / top });
        below = above;
    }
    let mut beside: Vec<_> = layers.iter().map(|layer| layer.beside).collect();
    part(&mut beside, sign_height);
    layers.iter_mut().zip(beside).for_each(|(layer, beside)| layer.beside = beside);
    layers
}

/// Moves positions, which fall from 1 to 0, apart, so that `gap` is between two: upwards, as far as there is room.
fn part(positions: &mut [f64], gap: f64) {
    let number = positions.len() as f64;
    let gap = gap.min(1.0 / number.max(1.0));
    let mut floor = 1.0 - gap / 2.0;
    for position in positions.iter_mut() {
        *position = position.min(floor);
        floor = *position - gap;
    }
    let mut ceiling = gap / 2.0;
    for position in positions.iter_mut().rev() {
        *position = position.max(ceiling);
        ceiling = *position + gap;
    }
}

/// Steps along the upper edge to the right, and along the lower one back.
fn outline(below: &[f64], above: &[f64], top: f64) -> String {
    let y =
        |value: &f64| HEIGHT - (value / top * f64::from(HEIGHT)).round().clamp(0.0, f64::from(HEIGHT)) as u32;
    let mut path = String::new();
    let Some(first) = above.first() else { return path };
    // A String takes everything.
    let _ = write!(path, "M0 {}", y(first));
    steps(&mut path, above.iter().map(y), "h");
    if let Some(last) = below.last() {
        let _ = write!(path, "V{}", y(last));
    }
    steps(&mut path, below.iter().rev().map(y), "h-");
    path.push('z');
    path
}

fn steps(path: &mut String, heights: impl Iterator<Item = u32>, right_or_left: &str) {
    let mut heights = heights.peekable();
    while let Some(height) = heights.next() {
        let mut length = 1;
        while heights.next_if_eq(&height).is_some() {
            length += 1;
        }
        let _ = write!(path, "{right_or_left}{length}");
        if let Some(next) = heights.peek() {
            let _ = write!(path, "v{}", i64::from(*next) - i64::from(height));
        }
    }
}

/// The middle of the highest rectangle of the sign's width within a layer, if it is as high as the sign.
fn place_for_sign(below: &[f64], above: &[f64], top: f64, width: f64, height: f64) -> Option<(f64, f64)> {
    let buckets = below.len();
    let wide = ((width * buckets as f64).ceil() as usize).max(1);
    let mut best: Option<(f64, f64, f64)> = None;
    for start in 0..(buckets + 1).saturating_sub(wide) {
        let floor = below[start..start + wide].iter().copied().fold(0.0, f64::max);
        let ceiling = above[start..start + wide].iter().copied().fold(top, f64::min);
        let free = (ceiling - floor) / top;
        if free >= height && best.is_none_or(|(most, ..)| free > most) {
            let middle = (start as f64 + wide as f64 / 2.0) / buckets as f64;
            best = Some((free, middle, 1.0 - (ceiling + floor) / 2.0 / top));
        }
    }
    best.map(|(_, x, y)| (x, y))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_stand_on_each_other() {
        let layers = layers(&[vec![1.0, 1.0, 2.0], vec![1.0, 2.0]], 4.0, 0.1, 0.1);
        assert_eq!(layers[0].path, "M0 750h2v-250h1V1000h-3z");
        assert_eq!(layers[1].path, "M0 500h1v-250h1v250h1V500h-1v250h-2z");
    }

    #[test]
    fn a_sign_stands_where_its_layer_is_highest() {
        let layers = layers(&[vec![0.0, 3.0, 3.0, 0.0], vec![1.0, 1.0, 1.0, 1.0]], 4.0, 0.5, 0.25);
        assert_eq!(layers[0].sign, Some((0.5, 1.0 - 1.5 / 4.0)));
        assert_eq!(layers[1].sign, Some((0.5, 1.0 - 3.5 / 4.0)));
    }

    #[test]
    fn a_layer_that_is_too_thin_or_too_jagged_has_no_sign() {
        let layers = layers(&[vec![1.0; 10], vec![0.1; 10], vec![0.0, 2.0, 0.0, 2.0, 0.0]], 4.0, 0.2, 0.1);
        assert!(layers[0].sign.is_some());
        assert_eq!(layers[1].sign, None);
        assert_eq!(layers[2].sign, None);
    }

    #[test]
    fn nothing_gives_an_empty_path() {
        assert_eq!(layers(&[vec![]], 1.0, 0.1, 0.1)[0].path, "");
    }

    #[test]
    fn signs_beside_the_layers_are_in_order_and_apart() {
        let apart = |positions: &[f64]| {
            let mut moved = positions.to_vec();
            part(&mut moved, 0.1);
            assert!(moved.iter().all(|position| (0.0499..=0.9501).contains(position)), "{moved:?}");
            assert!(moved.windows(2).all(|pair| pair[0] - pair[1] > 0.0999), "{moved:?}");
            moved
        };
        assert_eq!(apart(&[0.8, 0.5, 0.2]), [0.8, 0.5, 0.2]);
        apart(&[1.0; 9]);
        apart(&[0.0; 9]);
        apart(&[0.9, 0.5, 0.5, 0.49, 0.1, 0.02, 0.01, 0.0, 0.0]);
        let mut too_many = [0.5; 30];
        part(&mut too_many, 0.1);
        assert!(too_many.windows(2).all(|pair| pair[0] > pair[1]));
    }
}
