//! The frame decoder, with all that a fuzzer has been given or has found: see `fuzz/frames.rs`.

#[path = "../src/buffers.rs"]
#[allow(dead_code, reason = "the tests use a part of it")]
mod buffers;
#[path = "../fuzz/check.rs"]
mod check;
#[path = "../src/frame.rs"]
#[allow(dead_code, reason = "the tests use a part of it")]
mod frame;

use std::fs;

#[test]
fn the_corpus_is_decoded_alike_in_pieces_of_any_size() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/frames");
    let files = fs::read_dir(folder).expect("there is a corpus");
    let mut checked = 0;
    for file in files {
        let path = file.expect("the folder can be read").path();
        println!("{}", path.display());
        check::check(&fs::read(path).expect("the file can be read"));
        checked += 1;
    }
    assert!(checked >= 20, "{checked}");
}

/// Changes each bit of the first header, and of what follows, of each small file of the corpus.
#[test]
fn a_bit_that_flips_is_decoded_alike_in_pieces_of_any_size() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/frames");
    for file in fs::read_dir(folder).expect("there is a corpus") {
        let bytes = fs::read(file.expect("the folder can be read").path()).expect("it can be read");
        let bits = match bytes.len() {
            length @ ..1000 => length.min(20) * 8,
            _ => 0,
        };
        for bit in 0..bits {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            check::check(&flipped);
        }
    }
}
