use proptest::prelude::*;
use trailsight_schemas::decode::Limits;

use super::super::inflating::{Tap, Watch};
use super::*;

type Whole = Vec<(u64, Vec<u8>)>;

/// The lines that come whole by their offsets, the offsets of those that are too long, and the largest piece.
fn pieces(text: &[u8], held: usize, longest: usize) -> (Whole, Vec<u64>, usize) {
    let watch = Watch::default();
    let mut input = &text[held..];
    let rest = Text::new(Vec::new(), Tap::new(&mut input, &watch), &Limits::default());
    let (mut whole, mut long, mut largest) = (Vec::new(), Vec::new(), 0);
    each_piece(rest, text[..held].to_vec(), None, longest, &mut |mut offset, piece| {
        match piece {
            Piece::Lines(lines) => {
                largest = largest.max(lines.len());
                for line in lines.split_inclusive(|byte| *byte == b'\n') {
                    whole.push((offset, line.to_vec()));
                    offset += line.len() as u64;
                }
            }
            Piece::TooLong(line) => {
                largest = largest.max(line.len());
                long.push(offset);
            }
            Piece::Broken(..) => panic!("nothing is broken"),
        }
        Ok(())
    })
    .unwrap();
    (whole, long, largest)
}

proptest! {
    #[test]
    fn pieces_are_the_lines(
        lines in proptest::collection::vec("[ab]{0,12}", 0..12),
        ends: bool,
        held in 0.0..=1.0f64,
        longest in 1..10usize,
    ) {
        let mut text = lines.join("\n");
        if ends {
            text.push('\n');
        }
        let held = (held * text.len() as f64) as usize;
        let (whole, long, _) = pieces(text.as_bytes(), held, longest);
        let mut offset = 0;
        let (mut expected_whole, mut expected_long) = (Vec::new(), Vec::new());
        for line in text.split_inclusive('\n') {
            if line.trim_end_matches('\n').len() > longest {
                expected_long.push(offset);
            } else {
                expected_whole.push((offset, line.as_bytes().to_vec()));
            }
            offset += line.len() as u64;
        }
        prop_assert_eq!((whole, long), (expected_whole, expected_long));
    }
}

#[test]
fn a_line_without_end_is_never_held() {
    let text = [&b"a\n"[..], &vec![b'x'; 20 << 20], b"\nb\n"].concat();
    let (whole, long, largest) = pieces(&text, 0, 4096);
    assert_eq!(whole, [(0, b"a\n".to_vec()), ((20 << 20) + 3, b"b\n".to_vec())]);
    assert_eq!(long, [2]);
    assert!(largest <= 4096 + STEP, "{largest} bytes in one piece");
}
