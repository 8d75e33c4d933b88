"""What folders stand for: layouts as the sets are downloaded, drawn from their own descriptions.

Each is a list of folders with pictures ("train/cat/*") and of other files; what must come of it
was decided by hand: its classes, or words of the refusal. Nothing reads the pictures, so that they
are single bytes.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from verydeep.datasets import open_dataset
from verydeep.errors import UserError


def made(*there: str, root: str = "data") -> Path:
    """A folder with three pictures for each "folder/*", and the other files."""
    for path in there:
        folder = Path(root, path).parent
        folder.mkdir(parents=True, exist_ok=True)
        names = [f"{i}.jpg" for i in range(3)] if path.endswith("*") else [Path(path).name]
        for name in names:
            (folder / name).write_bytes(b"x")
    return Path(root)


NO_CLASSES = {
    "Kaggle, flat": (["train/*", "test/*", "labels.csv"], r"Kaggle.*labels.csv \(no line names a"),
    "Kaggle, cats and dogs": (["train/*", "test1/*"], "Kaggle.*labels in names of files"),
    "Kaggle, images": (["train_images/*", "test_images/*", "train.csv"], "Kaggle.*train.csv"),
    "flat with a list": (["images/*", "labels.csv"], "images/ is no class.*labels.csv"),
    "COCO": (["images/train2017/*", "images/val2017/*", "annotations/i.json"], "COCO"),
    "COCO, as unpacked": (["train2017/*", "val2017/*", "annotations/instances.json"], "COCO"),
    "YOLO": (["images/train/*", "images/val/*", "labels/train/0.txt", "labels/val/0.txt"], "YOLO"),
    "YOLO, flat": (["images/*", "labels/0.txt"], "YOLO"),
    "YOLO, by parts": (
        ["train/images/*", "train/labels/0.txt", "valid/images/*", "valid/labels/0.txt"], "YOLO"),
    "VOC without annotations": (
        ["JPEGImages/*", "ImageSets/Main/a.txt", "SegmentationClass/*", "SegmentationObject/*"],
        "Pascal VOC",
    ),
    "pets": (["images/*", "annotations/trimaps/*", "annotations/list.txt"], "Oxford-IIIT pets"),
    "masks": (["images/*", "masks/*"], "pictures beside masks"),
    "folds": (["fold1/a/*", "fold1/b/*", "fold2/a/*", "fold2/b/*"], "folds.*give data/fold1"),
    "copies": (
        ["original/a/*", "original/b/*", "augmented/a/*", "augmented/b/*"],
        r"same names \(a, b\).*give data/original"),
    "PlantVillage": (
        ["color/a/*", "color/b/*", "grayscale/a/*", "grayscale/b/*", "segmented/a/*"],
        "give data/color"),
    "years": (["2023/daisy/*", "2024/daisy/*"], "2023, 2024.*of the same names"),
    "years of two": (
        ["2023/daisy/*", "2023/rose/*", "2024/daisy/*", "2024/rose/*"], "give data/2023"),
    "two ways of reading": (
        ["fresh/apple/*", "fresh/pear/*", "rotten/apple/*", "rotten/pear/*"],
        "either could be the classes"),
    "parts below classes": (
        ["cat/train/*", "cat/test/*", "dog/train/*", "dog/test/*"], "test, train"),
    "years in a part": (
        ["train/2023/a/*", "train/2023/b/*", "train/2024/a/*", "train/2024/b/*", "val/a/*"],
        "the folders of data/train"),
    "test only": (
        ["test/a/*", "test/b/*"], "none to train on.*to test only, give data/test; to train, put"),
    "a test that could be trained on": (
        ["test/a/*", "test/b/*", "txt/a/*", "txt/b/*"], "give data/txt, or"),
    "numbered pieces": (["images_001/*", "images_002/*"], "are no classes"),
    "numbered pictures and masks": (
        ["image1/*", "image2/*", "mask1/*", "mask2/*"], "pictures beside masks"),
    "numbered masks": (["mask_0/*", "mask_1/*"], "pictures beside masks"),
    "numbered parts": (["test1/*", "test2/*"], "are no classes"),
    "parts in the names of classes": (
        ["train_cats/*", "train_dogs/*", "test_cats/*", "test_dogs/*"],
        "test_cats, test_dogs, train_cats and 1 more.*part and a class at once.*"
        "one for its part: train_cats/ into train/cats/"),
    "the same, a folder deeper": (
        ["train_cats/images/*", "train_dogs/images/*", "val_cats/images/*"],
        "part and a class at once"),
    "parts behind the names of classes": (
        ["negative-train/*", "positive-train/*", "positive-val/*"],
        "part and a class at once.*positive-val/ into validation/positive/"),
    "two splits": (
        ["train_a/x/*", "train_a/y/*", "test_a/x/*", "train_b/x/*", "train_b/y/*", "test_b/x/*"],
        "either could be"),
}  # fmt: skip


@pytest.mark.parametrize("name", NO_CLASSES)
def test_parts_masks_and_annotations_are_no_classes(name: str) -> None:
    there, words = NO_CLASSES[name]
    with pytest.raises(UserError, match=words) as refused:
        open_dataset(made(*there))
    assert "put the pictures of each class into a folder named after it" in str(refused.value)
    assert "\n" not in str(refused.value)


CLASSES = {
    "flat": (["cat/*", "dog/*"], "cat dog"),
    "a class called train": (["train/*", "bus/*"], "bus train"),
    "a class called images": (["images/*", "paintings/*"], "images paintings"),
    "classes that begin with the word for a part": (
        ["train_station/*", "test_tube/*"], "test_tube train_station"),
    "a part's word before two of three classes": (
        ["test_tube/*", "train_tube/*", "tube/*"], "test_tube train_tube tube"),
    "numbers behind a word": (["label_0/*", "label_1/*", "label_10/*"],
                              "label_0 label_1 label_10"),
    "numbers right behind a word": (["image1/*", "image2/*"], "image1 image2"),
    "masks on faces": (["with_mask/*", "without_mask/*"], "with_mask without_mask"),
    "colour or not": (["color/*", "grayscale/*"], "color grayscale"),
    "years to be told": (["2023/*", "2024/*"], "2023 2024"),
    "folders below one class": (["cat/2023/*", "dog/*"], "cat dog"),
    "the same years below each": (["cat/2023/*", "cat/2024/*", "dog/2023/*", "dog/2024/*"],
                                  "cat dog"),
    "images below each": (["cat/images/*", "dog/images/*"], "cat dog"),
    "kinds below each": (["cat/siamese/*", "cat/persian/*", "dog/poodle/*", "dog/beagle/*"],
                         "cat dog"),
    "empty parts beside": (["cat/*", "dog/*", "test/readme.txt"], "cat dog"),
    "scripts of all kinds": (["猫/*", "犬/*"], "犬 猫"),
}  # fmt: skip


@pytest.mark.parametrize("name", CLASSES)
def test_folders_that_may_be_classes_are(name: str) -> None:
    there, classes = CLASSES[name]
    dataset = open_dataset(made(*there))
    assert dataset.classes == tuple(classes.split())
    assert dataset.made == ("validation",)


PARTS = {
    "set": ["training_set/{}", "test_set/{}"],
    "data": ["train_data/{}", "test_data/{}"],
    "two words": ["Training Set/{}", "Validation Set/{}"],
    "one word": ["TrainingSet/{}", "TestSet/{}"],
    "to train and choose by": ["trainval/{}", "test/{}"],
    "a name before": ["flowers_train/{}", "flowers_test/{}"],
    "twice": ["train/train/{}", "val/val/{}"],
    "Intel's": ["seg_train/seg_train/{}", "seg_test/seg_test/{}"],
}


@pytest.mark.parametrize("name", PARTS)
def test_parts_are_known_by_any_usual_name(name: str) -> None:
    train, test = PARTS[name]
    made(train.format("cat/*"), train.format("dog/*"), test.format("cat/*"), test.format("dog/*"))
    dataset = open_dataset(made("seg_pred/seg_pred/*"))
    assert dataset.classes == ("cat", "dog")
    assert (len(dataset.train), len(dataset.validation), dataset.made) == (6, 6, ())
    assert any(note.endswith("seg_pred/") for note in dataset.notes)
    assert all(Path(str(dataset.validation.source(i))).is_file() for i in range(6))


def test_numbered_classes_lie_in_parts_as_well() -> None:
    there = [f"{part}/label_{i}/*" for part in ("train", "val") for i in range(2)]
    dataset = open_dataset(made(*there))
    assert (dataset.classes, dataset.made) == (("label_0", "label_1"), ())


def test_a_part_to_train_on_is_taken_before_one_with_what_to_choose_by() -> None:
    there = [f"{part}/{name}/*" for part in ("trainval", "train", "val") for name in "ab"]
    dataset = open_dataset(made(*there))
    assert any("train/ (6 to train on), val/ (6" in note for note in dataset.notes)


@pytest.mark.parametrize("flat", ["test/*", "test/images/*", "val/images/*"])
def test_a_part_without_class_folders_is_left_alone(flat: str) -> None:
    """As Tiny ImageNet has them; its class folders keep pictures one folder deeper."""
    dataset = open_dataset(made("train/n1/images/*", "train/n2/images/*", flat, "val_list.txt"))
    assert dataset.classes == ("n1", "n2")
    assert dataset.made == ("validation",)
    assert "of class folders" in dataset.notes[0]
    assert flat.split("/")[0] in dataset.notes[1]


def test_folders_read_as_part_of_a_class_are_named() -> None:
    notes = open_dataset(made("cat/siamese/*", "cat/persian/*", "dog/*")).notes
    assert any("2 (cat/persian, cat/siamese)" in note for note in notes)


def test_loose_pictures_beside_a_list_are_told_that_it_is_not_read() -> None:
    with pytest.raises(UserError, match=r"no class folders.*not read: labels.csv \(no line"):
        open_dataset(made("*", "labels.csv"))
