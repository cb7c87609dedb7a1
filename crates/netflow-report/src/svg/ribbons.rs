//! Flows between two columns of boxes: each ribbon is as wide as what goes from one box to the other.

/// Height of the picture, and its width, in its own units.
pub(crate) const SIZE: f64 = 1_000.0;

/// A box of a column: where it begins and ends, from the top.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Span {
    pub(crate) start: f64,
    pub(crate) end: f64,
}

/// What goes from a box on the left to one on the right.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ribbon {
    pub(crate) left: usize,
    pub(crate) right: usize,
    pub(crate) amount: u64,
    /// Its outline, as path data.
    pub(crate) path: String,
}

/// Both columns, and what is between them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ribbons {
    pub(crate) left: Vec<Span>,
    pub(crate) right: Vec<Span>,
    pub(crate) ribbons: Vec<Ribbon>,
}

/// Lays out `amounts`, which has a row for each box on the left and in it a number for each box on the right.
///
/// Each box has at least `least` of the picture's height, so that its label fits beside it, and `gap` between it and
/// the next.
pub(crate) fn lay_out(amounts: &[Vec<u64>], least: f64, gap: f64) -> Ribbons {
    let columns = amounts.iter().map(Vec::len).max().unwrap_or(0);
    let of_left: Vec<f64> = amounts.iter().map(|row| row.iter().map(|amount| *amount as f64).sum()).collect();
    let of_right: Vec<f64> = (0..columns)
        .map(|column| amounts.iter().filter_map(|row| row.get(column)).map(|amount| *amount as f64).sum())
        .collect();
    let (left, right) = (boxes(&of_left, least, gap), boxes(&of_right, least, gap));
    let mut ribbons = Vec::new();
    let mut used_right = vec![0.0; columns];
    for (row, amounts) in amounts.iter().enumerate() {
        let mut used_left = 0.0;
        for (column, &amount) in amounts.iter().enumerate() {
            if amount == 0 {
                continue;
            }
            let part = |span: &Span, used: f64, whole: f64| {
                let length = (span.end - span.start) / whole;
                (span.start + used * length, span.start + (used + amount as f64) * length)
            };
            let from = part(&left[row], used_left, of_left[row]);
            let to = part(&right[column], used_right[column], of_right[column]);
            used_left += amount as f64;
            used_right[column] += amount as f64;
            ribbons.push(Ribbon { left: row, right: column, amount, path: ribbon(from, to) });
        }
    }
    Ribbons { left, right, ribbons }
}

/// Boxes below each other that fill the height, as high as their parts of it, but none below the least.
fn boxes(amounts: &[f64], least: f64, gap: f64) -> Vec<Span> {
    let number = amounts.len() as f64;
    let free = (SIZE - gap * (number - 1.0).max(0.0)).max(0.0);
    let least = least.min(free / number.max(1.0));
    let total: f64 = amounts.iter().sum();
    // What is above the least is divided by the amounts that are above it: done until none falls below.
    let mut heights = vec![0.0; amounts.len()];
    let mut raised = vec![false; amounts.len()];
    loop {
        let fixed = raised.iter().filter(|raised| **raised).count() as f64 * least;
        let rest: f64 =
            amounts.iter().zip(&raised).filter(|(_, raised)| !**raised).map(|(amount, _)| amount).sum();
        let scale = if rest > 0.0 { (free - fixed).max(0.0) / rest } else { 0.0 };
        let mut changed = false;
        for ((height, amount), raised) in heights.iter_mut().zip(amounts).zip(&mut raised) {
            *height = if *raised { least } else { amount * scale };
            if !*raised && (*height < least || total == 0.0) {
                (*raised, changed) = (true, true);
            }
        }
        if !changed {
            break;
        }
    }
    let mut start = 0.0;
    heights
        .into_iter()
        .map(|height| {
            let span = Span { start, end: start + height };
            start += height + gap;
            span
        })
        .collect()
}

fn ribbon(from: (f64, f64), to: (f64, f64)) -> String {
    let middle = SIZE / 2.0;
    format!(
        "M0 {:.1}C{middle} {:.1} {middle} {:.1} {SIZE} {:.1}V{:.1}C{middle} {:.1} {middle} {:.1} 0 {:.1}z",
        from.0, from.0, to.0, to.0, to.1, to.1, from.1, from.1
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_are_as_high_as_their_part_and_fill_the_height() {
        assert_eq!(
            boxes(&[3.0, 1.0], 0.0, 200.0),
            [Span { start: 0.0, end: 600.0 }, Span { start: 800.0, end: 1_000.0 }]
        );
    }

    #[test]
    fn small_boxes_have_room_for_a_label() {
        let boxes = boxes(&[1e9, 1.0, 0.0], 50.0, 10.0);
        assert!(boxes.iter().all(|span| span.end - span.start >= 50.0));
        assert!((boxes[2].end - SIZE).abs() < 1e-9);
        assert!(boxes.windows(2).all(|pair| (pair[1].start - pair[0].end - 10.0).abs() < 1e-9));
    }

    #[test]
    fn ribbons_lie_side_by_side_in_their_boxes() {
        let ribbons = lay_out(&[vec![1, 1], vec![0, 2]], 0.0, 0.0);
        let paths: Vec<_> =
            ribbons.ribbons.iter().map(|ribbon| (ribbon.left, ribbon.right, &ribbon.path[..])).collect();
        assert_eq!(
            paths,
            [
                (0, 0, "M0 0.0C500 0.0 500 0.0 1000 0.0V250.0C500 250.0 500 250.0 0 250.0z"),
                (0, 1, "M0 250.0C500 250.0 500 250.0 1000 250.0V500.0C500 500.0 500 500.0 0 500.0z"),
                (1, 1, "M0 500.0C500 500.0 500 500.0 1000 500.0V1000.0C500 1000.0 500 1000.0 0 1000.0z"),
            ]
        );
    }

    #[test]
    fn more_boxes_than_there_is_room_for_are_still_boxes() {
        let boxes = boxes(&[1.0; 200], 50.0, 10.0);
        assert_eq!(boxes.len(), 200);
        assert!(boxes.iter().all(|span| span.end >= span.start));
        assert!(lay_out(&[], 1.0, 1.0).ribbons.is_empty());
    }
}
