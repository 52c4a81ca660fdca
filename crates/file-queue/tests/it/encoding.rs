//! The types that items can have, and items that cannot be read.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};
use workmill_file_queue::{ErrorKind, FileQueue, ItemState, inspect};

use crate::support::{Place, assert_sound, kind, rest};

#[track_caller]
fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(item: T) {
    let place = Place::new();
    let queue = place.open();
    queue.put(&item).unwrap();
    assert_eq!(queue.get().unwrap(), item);
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Shape {
    Unit,
    New(f64),
    Tuple(i64, u128),
    Struct { name: Option<String> },
}

#[test]
fn items_come_back_as_they_were_put() {
    comes_back(());
    comes_back((i64::MIN, u64::MAX, i128::MIN, u128::MAX));
    comes_back((1.5_f32, f64::MIN_POSITIVE, f64::INFINITY, 0.1 + 0.2));
    comes_back((None::<i32>, Some(7), 'ß', "text".to_owned()));
    comes_back(vec![Shape::Unit, Shape::New(-0.0), Shape::Tuple(1, 2)]);
    comes_back([
        Shape::Struct { name: None },
        Shape::Struct {
            name: Some("x".into()),
        },
    ]);
    comes_back(BTreeMap::from([
        ((1, 'a'), vec![0_u8, 255]),
        ((2, 'b'), vec![]),
    ]));
    comes_back("x".repeat(3_000_000));
    let place = Place::new();
    let queue = place.open();
    queue.put(&f64::NAN).unwrap();
    assert!(queue.get().unwrap().is_nan());
}

#[test]
fn a_field_with_a_default_can_be_added() {
    #[derive(Serialize, Deserialize)]
    struct Old {
        name: String,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct New {
        #[serde(default)]
        urgent: bool,
        name: String,
    }
    let place = Place::new();
    let name = "x".to_owned();
    place.open().put(&Old { name: name.clone() }).unwrap();
    let queue = place.open();
    let new = New {
        urgent: false,
        name,
    };
    assert_eq!(queue.get().unwrap(), new);
    // And the old program reads what the new one has put.
    queue.put(&new).unwrap();
    assert_eq!(place.open::<Old>().get().unwrap().name, "x");
}

#[derive(Debug, Deserialize)]
struct Unwritable(#[expect(dead_code, reason = "there never is one")] u8);

impl Serialize for Unwritable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("has no form"))
    }
}

#[test]
fn what_cannot_be_encoded_is_told_and_nothing_is_put() {
    let place = Place::new();
    let queue = place.open();
    let error = queue.put(&Unwritable(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Encode);
    assert!(error.to_string().contains("has no form"), "{error}");
    assert_eq!(kind(queue.put_all(&[Unwritable(1)])), ErrorKind::Encode);
    assert!(queue.is_empty().unwrap());
}

#[test]
fn what_cannot_be_decoded_is_set_aside_and_can_be_put_back() {
    let place = Place::new();
    let texts = place.open();
    texts
        .put_all(&["a".to_owned(), "b".to_owned(), "c".to_owned()])
        .unwrap();
    let numbers = place.open::<u32>();
    let error = numbers.get().unwrap_err();
    assert_eq!(
        (error.kind(), error.item_id()),
        (ErrorKind::Decode, Some(1))
    );
    assert_eq!(kind(numbers.get_task()), ErrorKind::Decode);
    // It stands in nobody's way.
    assert_eq!((texts.len().unwrap(), texts.unfinished().unwrap()), (1, 1));
    texts.put(&"d".to_owned()).unwrap();
    let contents = inspect(&place.path, 10).unwrap();
    assert_eq!((contents.ready, contents.set_aside), (2, 2));
    assert!(
        matches!(&contents.items[1].state, ItemState::SetAside { reason, .. }
        if reason.contains("cannot be decoded"))
    );
    assert_eq!(texts.restore().unwrap(), 2);
    assert_eq!(rest(&texts), ["a", "b", "c", "d"]);
    assert_eq!(texts.restore().unwrap(), 0);
    assert_sound(&place.path);
}

/// Takes an item of the queue while it is decoded, or panics.
#[derive(Debug, Serialize)]
struct Strange(u32);

thread_local! {
    static OTHER: RefCell<Option<FileQueue<u32>>> = const { RefCell::new(None) };
}

impl<'de> Deserialize<'de> for Strange {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u32::deserialize(deserializer)?;
        assert!(number != 13, "not that one");
        let other = OTHER.with_borrow(Clone::clone);
        Ok(Self(number + other.map_or(0, |other| other.get().unwrap())))
    }
}

#[test]
fn decoding_may_use_the_queue_itself_and_may_panic() {
    let place = Place::new();
    let queue = place.open::<Strange>();
    place.open().put_all(&[1, 2, 13]).unwrap();
    OTHER.set(Some(place.open()));
    assert_eq!(queue.get().unwrap().0, 3);
    OTHER.set(None);
    let take = std::panic::AssertUnwindSafe(|| queue.get_task());
    assert!(std::panic::catch_unwind(take).is_err());
    let task = place.open::<u32>().get_task().unwrap();
    assert_eq!((*task, task.attempt()), (13, 2));
    task.give_back().unwrap();
    // One that was taken out of the file is set aside, as what cannot be decoded is.
    let take = std::panic::AssertUnwindSafe(|| queue.get());
    assert!(std::panic::catch_unwind(take).is_err());
    assert_eq!(inspect(&place.path, 1).unwrap().set_aside, 1);
    assert_eq!(queue.restore().unwrap(), 1);
    assert_eq!(rest(&place.open::<u32>()), [13]);
    assert_sound(&place.path);
}
