"""Tables: against scikit-learn's pipeline, in the layouts of public files, and what is said of columns that cannot be."""

import bz2
import gzip
import importlib.util
import lzma
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn.datasets
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from graphs import DEFAULT, merged
from rehash.config import validated
from rehash.datasets.build import build_dataset
from rehash.datasets.layout import Dataset
from rehash.datasets.readers import table
from rehash.errors import InputError
from rehash.graph import dataset_description

SHIPPED = Path(sklearn.datasets.__file__).parent / "data"
COLOURS, SIZES = ["blue", "green", "red"], ["s", "m", "l"]


def people(n: int, seed: int, colours: list[str] = COLOURS) -> pd.DataFrame:
    """Numbers, texts, truth values, and a label."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame({
        "age": rng.integers(18, 90, n), "height": rng.normal(170, 9, n), "colour": rng.choice(colours, n),
        "member": rng.random(n) < 0.5, "size": rng.choice(SIZES, n), "target": rng.choice(["no", "yes"], n),
    })  # fmt: skip


def read(path: Path, **settings) -> tuple[dict[str, np.ndarray], dict[str, list], list[str]]:
    """Inputs and labels by split, and notes: of data without splits, all of them."""
    found = table.read({"path": str(path)}, **settings)
    rows = {split: of.inputs for split, of in found.splits.items()}
    if "all" in rows:
        rows = {"train": rows["all"], "test": rows["all"]}
    inputs, notes = found.encode(rows)
    return inputs, {split: of.labels.tolist() for split, of in found.splits.items()}, [*found.notes, *notes]


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


# ---------------------------------------------------------------------------------------------------------------------
# Values


def build(folder: Path, path: Path, **settings) -> Dataset:
    build_dataset(folder / "d.h5", {"path": str(path)}, name="d", reader="table", **settings)
    return Dataset.read(folder / "d.h5")


@pytest.mark.parametrize("missing", [False, True])
def test_vectors_are_those_of_scikit_learns_pipeline(tmp_path, missing):
    """Categories, medians and scale of the train split; a category that only the test split has is 0 everywhere."""
    train, test = people(60, 0), people(25, 1, [*COLOURS, "violet"])
    if missing:
        for part in (train, test):
            part.loc[[3, 7], "height"] = np.nan
            part.loc[[2, 7, 11], "colour"] = None
    for split, part in (("train", train), ("test", test)):
        part.to_csv(tmp_path / f"{split}.csv", index=False)
    found = build(tmp_path, tmp_path, shuffle=None, **({"missing": "fill"} if missing else {}))
    texts = make_pipeline(
        SimpleImputer(missing_values=None, strategy="constant", fill_value="missing"),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )
    numeric = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    theirs = ColumnTransformer([
        ("n", numeric, ["age", "height"]), ("c", texts, ["colour"]), ("m", OneHotEncoder(sparse_output=False), ["member"]),
        ("s", OneHotEncoder(sparse_output=False), ["size"]),
    ])  # fmt: skip
    for part in (train, test):
        part["colour"] = part["colour"].astype(object).where(part["colour"].notna(), None)
    expected = {"train": theirs.fit_transform(train), "test": theirs.transform(test)}
    for split, part in (("train", train), ("test", test)):
        held = getattr(found, split)
        assert held.inputs.dtype == np.float32
        np.testing.assert_allclose(held.inputs, expected[split], rtol=1e-5, atol=1e-5)
        assert [found.class_names[label] for label in held.labels] == part["target"].tolist()
    assert found.class_names == ["no", "yes"]


def test_categories_of_a_drawn_test_split_are_not_learned(tmp_path):
    """Without splits the test split is drawn after reading, and still nothing is learned from it."""
    part = people(40, 0)
    part["colour"] = [f"c{i // 2}" for i in range(40)]  # 20 colours of two samples each
    part.to_csv(tmp_path / "d.csv", index=False)
    notes = build_dataset(tmp_path / "d.h5", {"path": str(tmp_path / "d.csv")}, name="d", reader="table")["notes"]
    found = Dataset.read(tmp_path / "d.h5")
    # Between two columns of numbers, and two of truth values and three of sizes.
    train, test = (split.inputs[:, 2:-5] for split in (found.train, found.test))
    assert (train.sum(0) > 0).all(), "each column is some train sample's"
    unseen = int((test.sum(1) == 0).sum())
    assert unseen == 2 * (20 - train.shape[1]) > 0, "both samples of a colour without a column are in the test split"
    assert any(note.startswith(f"column 'colour': {unseen} test samples are of a category") for note in notes)


def test_values_by_hand(tmp_path):
    path = write(tmp_path / "d.csv", "a, b ,flag,class\n1, x ,True, p\n2.5,y,False,q \n-3, x,True,p\n4,y,True,q\n")
    inputs, labels, notes = read(path)
    # a; b is x, y; flag is False, True
    assert inputs["train"].tolist() == [[1, 1, 0, 0, 1], [2.5, 0, 1, 1, 0], [-3, 1, 0, 0, 1], [4, 0, 1, 0, 1]]
    assert labels == {"all": ["p", "q", "p", "q"]}
    assert notes == ["labels are the column 'class'", "3 columns became 5 inputs: 1 of numbers, and 4 of 0 and 1 for the categories of 2"]  # fmt: skip


def test_numbers_may_stand_for_categories(tmp_path):
    path = write(tmp_path / "d.csv", "code,rate,y\n30,0.5,0\n9,1,1\n30,2.5,0\n9,0.5,1\n")
    inputs, _, _ = read(path, categorical=["code", "rate"])
    # code is 30 or 9 (in the order of texts); rate is 0.5, 1 or 2.5
    assert inputs["train"].tolist() == [[1, 0, 1, 0, 0], [0, 1, 0, 1, 0], [1, 0, 0, 0, 1], [0, 1, 1, 0, 0]]


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("1 2 1 2", [1, 2, 1, 2]),
        ("1.0 2.0 1.0 2.0", [1, 2, 1, 2]),
        ("True False True False", ["True", "False"] * 2),
        ("a. b. a. b.", ["a.", "b."] * 2),
        ("9007199254740993 5 9007199254740993 5", [9007199254740993, 5] * 2),
    ],
)
def test_labels_of_each_kind(tmp_path, label, expected):
    rows = "".join(f"{x},{y}\n" for x, y in zip((5, 1, 7, 2), label.split()))
    assert read(write(tmp_path / "d.csv", f"x,label\n{rows}"))[1] == {"all": expected}


def test_missing_values(tmp_path):
    text = "a,b,label\n1,x,0\n,y,1\n3,?,0\n10,x,1\n5, ? ,\n2,NA,1\n"
    path = write(tmp_path / "d.csv", text)
    with pytest.raises(InputError, match=r"label 'label' is missing in 1 of 6 rows, first in row 5; .* missing: drop"):
        read(path)
    path.write_text(text.replace("5, ? ,\n", "5, ? ,0\n"))
    with pytest.raises(
        InputError,
        match=r"missing in columns 'a' \(1\), 'b' \(3\) of 6 rows, first in row 2; set missing: drop .* or missing: fill",
    ):
        read(path, missing_values=["?"])
    inputs, labels, notes = read(path, missing_values=["?"], missing="drop")
    assert inputs["train"].tolist() == [[1, 1], [10, 1]] and labels == {"all": [0, 1]}
    assert "left out: 4 of 6 rows, which lack values" in notes
    inputs, labels, notes = read(path, missing_values=["?"], missing="fill")
    # The median of 1, 3, 10, 5, 2 is 3; b is missing, x or y.
    assert inputs["train"].tolist() == [
        [1, 0, 1, 0],
        [3, 0, 0, 1],
        [3, 1, 0, 0],
        [10, 0, 1, 0],
        [5, 1, 0, 0],
        [2, 1, 0, 0],
    ]
    assert len(labels["all"]) == 6 and any(note.startswith("4 missing values are filled") for note in notes)
    assert read(path, missing_values=["?", 10], missing="drop", categorical=["b"])[0]["train"].tolist() == [[1, 1]]
    path.write_text("a,b,label\n1,,0\n,2,1\n")
    with pytest.raises(InputError, match="every row of a split lacks a value; set missing: fill, or drop_columns"):
        read(path, missing="drop")


def test_a_column_that_numbers_the_rows_is_left_out(tmp_path):
    """As pandas and Kaggle write it: in data that are sorted by class it gives the class away."""
    numbers = [5, 1, 4, 1, 5, 9]
    frame = pd.DataFrame({"Id": range(1, 7), "x": numbers, "y": [0, 0, 0, 1, 1, 1]})
    frame.to_csv(tmp_path / "d.csv")
    inputs, _, notes = read(tmp_path / "d.csv")
    assert inputs["train"].tolist() == [[x] for x in numbers]
    assert "column 'column 0' is the number of the row, and left out" in notes
    assert "column 'Id' is the number of the row, and left out" in notes
    frame[["Id", "y"]].to_csv(tmp_path / "d.csv", index=False)
    with pytest.raises(InputError, match="the only column of values, 'Id', is the number of the row"):
        read(tmp_path / "d.csv")


NUMBERS = "\n".join(f"{i * 7 % 13},{i % 2}" for i in range(12))


@pytest.mark.parametrize(
    ("column", "message", "way"),
    [
        ([f"name{i}" for i in range(12)], "or categorical: .'c'. if they are categories", {"categorical": ["c"]}),
        ([f"name{i}" for i in range(12)], "column 'c' has 12 different texts in 12 rows.*drop_columns: .'c'", {"drop_columns": ["c"]}),
        (["2020-01-05", "2021-12-31"] * 6, "column 'c' has dates or times .2020-01-05.*drop_columns: .'c'", {"drop_columns": ["c"]}),
        (["5.1.2020", "31.12.21 10:30"] * 6, "column 'c' has dates", {"drop_columns": ["c"]}),
        (["1", "2", "3", "unknown"] * 3, "column 'c' has numbers, and 3 values that are none .unknown; the first in row 4.*missing_values: .'unknown'.*or categorical", {"missing_values": ["unknown"], "missing": "drop"}),
        (["1", "2", "3", "unknown"] * 3, "or categorical: .'c'. if all are categories", {"categorical": ["c"]}),
        (['"1,5"', '"2,25"'] * 6, "column 'c' has numbers with commas .1,5.; set decimal: ','", {"decimal": ","}),
        (["1", "2", "inf", "3"] * 3, "column 'c' has inf in row 3; expected finite.*missing_values: .'inf', '-inf'", {"missing_values": ["inf", "-inf"], "missing": "fill"}),
        (["", ""] * 6, "missing in columns 'c' .12. of 12 rows", {"drop_columns": ["c"]}),
    ],
)  # fmt: skip
def test_columns_that_are_neither_numbers_nor_categories(tmp_path, column, message, way):
    rows = "".join(f"{c},{i * i % 7},{i % 2}\n" for i, c in enumerate(column))
    path = write(tmp_path / "d.csv", f"c,x,y\n{rows}")
    with pytest.raises(InputError, match=message):
        read(path)
    assert len(read(path, **way)[0]["train"]), "the way that the message names leads out"


def test_a_column_without_values_in_the_train_split(tmp_path):
    write(tmp_path / "train.csv", "a,b,y\n,1,0\n,5,1\n,2,0\n")
    write(tmp_path / "test.csv", "a,b,y\n1,1,0\n2,5,1\n")
    with pytest.raises(InputError, match=r"column 'a' has no value in the train split; set drop_columns: .'a'"):
        read(tmp_path, missing="fill")
    assert read(tmp_path, drop_columns=["a"])[0]["train"].tolist() == [[1], [5], [2]]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"label": "prize"}, "label: unknown column 'prize'; did you mean 'price'"),
        ({"label": "price"}, "label 'price' has 1.5 in row 1: these are measured values, and no classes"),
        ({}, "the table has no column label, target, class or y; expected one of labels: set label to its name, of 'a', 'k', 'price'"),
        ({"label": 9}, "label: unknown column '9'"),
        ({"label": "k", "drop_columns": ["aa"]}, "drop_columns: unknown column 'aa'; did you mean 'a'"),
        ({"label": "k", "categorical": ["b"]}, "categorical: unknown column 'b'"),
        ({"label": "k", "drop_columns": ["k"]}, "drop_columns: unknown column 'k'"),
        ({"label": "k", "drop_columns": ["a", "price"]}, "there is no column but the labels, 'k'"),
        ({"label": "k", "missing": "median"}, "missing: unknown rule 'median'. Valid: drop, error, fill"),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit(tmp_path, settings, message):
    path = write(tmp_path / "d.csv", "a,k,price\n1,p,1.5\n5,q,2\n2,p,7.25\n")
    with pytest.raises(InputError, match=message):
        read(path, **settings)


def test_two_columns_that_may_be_the_labels(tmp_path):
    path = write(tmp_path / "d.csv", "Class,x,target\n1,5,0\n2,1,1\n2,7,1\n")
    with pytest.raises(
        InputError, match="the table has the columns Class and target; expected one of labels: set label"
    ):
        read(path)
    assert read(path, label="Class")[1] == {"all": [1, 2, 2]}


# ---------------------------------------------------------------------------------------------------------------------
# Files

PLAIN = "a,b,class\n1,x,p\n2.5,y,q\n-3,x,p\n4,ÿ,q\n7,x,p\n5,x,q\n"


@pytest.mark.parametrize(
    ("content", "settings"),
    [
        (PLAIN.encode(), {}),
        (gzip.compress(PLAIN.encode(), mtime=0), {}),
        (bz2.compress(PLAIN.encode()), {}),
        (lzma.compress(PLAIN.encode()), {}),
        (b"\xef\xbb\xbf" + PLAIN.encode(), {}),
        (PLAIN.replace("\n", "\r\n").encode(), {}),
        (PLAIN.replace(",", ";").encode(), {}),
        (PLAIN.replace(",", ";").replace(".", ",").encode(), {"decimal": ","}),
        (PLAIN.replace(",", "\t").encode(), {}),
        (PLAIN.replace(",", "|").encode(), {}),
        (PLAIN.replace(",", "   ").encode(), {}),
        (PLAIN.replace(",", "!").encode(), {"separator": "!"}),
        (PLAIN.encode("latin-1"), {"encoding": "latin-1"}),
        (PLAIN.encode("utf-16"), {"encoding": "utf-16"}),
        (b"a note\nof two lines\n" + PLAIN.encode(), {"skip_rows": 2}),
        (b"# a note\n" + PLAIN.encode() + b"\n\n", {"comment": "#"}),
        (PLAIN.partition("\n")[2].encode(), {"columns": ["a", "b", "class"]}),
        (PLAIN.replace("a,b,class", "1,2,3").encode(), {"columns": ["a", "b", "class"], "header": True}),
        (PLAIN.replace("x,", '"x",').replace("a,b", '"a","b"').encode(), {}),
    ],
)
def test_a_table_however_it_is_written(tmp_path, content, settings):
    path = tmp_path / "d"
    path.write_bytes(content)
    inputs, labels, _ = read(path, **settings)
    # b is x, y or ÿ
    assert inputs["train"][:, 0].tolist() == [1, 2.5, -3, 4, 7, 5]
    assert inputs["train"][:, 1:].argmax(1).tolist() == [0, 1, 0, 2, 0, 0] and inputs["train"][:, 1:].sum() == 6
    assert labels == {"all": ["p", "q"] * 3}


@pytest.mark.parametrize(
    ("content", "message", "way"),
    [
        (PLAIN.encode("latin-1"), r"d: not utf-8 .*; set encoding, such as cp1252, latin-1 or utf-16", {"encoding": "cp1252"}),
        (PLAIN.encode("utf-16"), r"d: not utf-8 .*; set encoding.* or utf-16", {"encoding": "utf-16"}),
        (b"1,5,p\n2,6,q\n3,9,p\n", r"its first line \(1, 5, p\) has numbers; set header: true if .* header: false if", {"header": False, "label": 2}),
        (b"1,2,y\n4,6,0\n3,9,1\n3,5,1\n", r"set header: true if these are names", {"header": True}),
        (b"3,2,p,q,r\n4,6\n3,9\n1,9\n", r"its first line has 5 fields .3, 2, p, q, r., and those that follow have 2; .* skip_rows: 1 and header: false", {"skip_rows": 1, "header": False, "label": 1}),
        (b"a,y\nr1,7,0\nr2,5,1\nr1,1,1\nr2,3,0\n", r"its first line has 2 fields .* if a name is lacking, set skip_rows: 1 and columns", {"skip_rows": 1, "columns": ["name", "a", "y"]}),
        (b"x,x,y\n1,2,0\n1,4,1\n", "two columns are called 'x'; expected a name for each: set columns", {"columns": ["x", "z", "y"], "header": True}),
        (b"p,p,e\ne,f,e\np,f,e\ne,f,p\n", "two columns are called 'p'.*header: false if the first line has values", {"header": False, "label": 0}),
        (b"a,b,y\n1,2,0\n3,4,0,9\n3,4,0\n", "not a table with rows of one length", None),
        (b"", "has no lines", None),
        (b"alone\n1\n2\n", "no separator .* divides its lines", None),
        (b"PK\3\4abc", "a zip file or an Excel table; expected CSV or Parquet", None),
        (gzip.compress(PLAIN.encode(), mtime=0)[:-9], "d: (truncated or damaged|not a table)", None),
        (b"\x1f\x8b", "d: truncated or damaged", None),
    ],
)  # fmt: skip
def test_files_that_are_not_read_as_they_are(tmp_path, content, message, way):
    path = tmp_path / "d"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        read(path)
    assert str(path) in str(error.value)
    if way:
        assert len(read(path, **way)[0]["train"]) >= 2


def test_settings_of_files_that_are_not_theirs(tmp_path):
    path = write(tmp_path / "d", PLAIN)
    for settings, message in [
        ({"encoding": "utf-9"}, "unknown encoding: utf-9; expected an encoding of Python's"),
        ({"separator": "::"}, "separator is '::'; expected one character"),
        ({"columns": ["a", "b"]}, "columns has 2 names, and its rows have 3 fields"),
    ]:
        with pytest.raises(InputError, match=message):
            read(path, **settings)


PARQUET = importlib.util.find_spec("pyarrow") is not None


def test_parquet_without_its_package_says_what_to_install(tmp_path, monkeypatch):
    path = tmp_path / "d.parquet"
    path.write_bytes(b"PAR1 and more")
    with pytest.raises(InputError, match="separator would say; leave it out"):
        read(path, separator=",")
    if not PARQUET:
        with pytest.raises(InputError, match=r"is Parquet, .*`pip install pyarrow`, or save the table as CSV"):
            read(path)
    else:
        with pytest.raises(InputError, match="not a readable Parquet table"):
            read(path)


@pytest.mark.skipif(not PARQUET, reason="pyarrow is not installed, and not needed for anything else")
def test_parquet_is_as_csv(tmp_path):
    frame = people(30, 0)
    frame["size"] = frame["size"].astype("category")
    frame.loc[3, "height"] = np.nan
    frame.to_csv(tmp_path / "d.csv", index=False)
    frame.to_parquet(tmp_path / "d.parquet")
    a, b = (read(tmp_path / name, missing="fill") for name in ("d.csv", "d.parquet"))
    assert (a[0]["train"] == b[0]["train"]).all() and a[1:] == b[1:]
    frame["when"] = pd.Timestamp("2020-01-01")
    frame.to_parquet(tmp_path / "d.parquet")
    with pytest.raises(InputError, match="column 'when' has dates or times"):
        read(tmp_path / "d.parquet", missing="fill")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["train.csv", "test.csv"], None),
        (["fashion_train.csv", "fashion_test.csv", "readme.md", ".train.csv.swp"], None),
        (["Train.TSV", "Test.TSV", "sample_submission.csv"], None),
        (["adult.data", "adult.test", "adult.names", "Index"], None),
        (["train.csv"], "has 0 files of the test split"),
        (
            ["train.csv", "train.csv.bak", "test.csv"],
            "has 2 files of the train split .train.csv, train.csv.bak.; expected one",
        ),
        (["a.csv", "b.csv"], "has 0 files of the train split .a.csv, b.csv.; .*or give as path the file of the whole"),
        ([], "has 0 files of the train split .it is empty"),
    ],
)
def test_the_two_tables_of_a_folder(tmp_path, names, message):
    for name in names:
        write(tmp_path / name, "x,y\n5,1\n7,0\n1,1\n" if "test" not in name.lower() else "x,y\n3,0\n")
    if message:
        with pytest.raises(InputError, match=message):
            read(tmp_path)
    else:
        inputs, labels, _ = read(tmp_path)
        assert inputs["test"].tolist() == [[3]] and labels == {"train": [1, 0, 1], "test": [0]}
        files = {
            s: str(tmp_path / next(n for n in names if s in n.lower() or (s == "train" and "data" in n)))
            for s in labels
        }
        assert table.read(files).splits["train"].labels.tolist() == [1, 0, 1]


def test_tables_whose_columns_differ(tmp_path):
    write(tmp_path / "train.csv", "x,z,y\n5,1,1\n7,2,0\n1,1,0\n")
    write(tmp_path / "test.csv", "x,z\n3,0\n")
    with pytest.raises(
        InputError, match=r"test.csv: its columns are not those of .*train.csv: only one has y; expected"
    ):
        read(tmp_path)
    write(tmp_path / "test.csv", "y,z,x\n0,1,3\n")
    assert read(tmp_path)[0]["test"].tolist() == [[3, 1]], "another order is none"
    write(tmp_path / "test.csv", "x,z,y\n")
    with pytest.raises(InputError, match=r"test.csv: has no rows"):
        read(tmp_path)


# ---------------------------------------------------------------------------------------------------------------------
# Public tables


@pytest.mark.parametrize(
    ("name", "label", "load", "settings"),
    [
        ("iris.csv", -1, sklearn.datasets.load_iris, {"skip_rows": 1}),
        ("wine_data.csv", 13, sklearn.datasets.load_wine, {"skip_rows": 1}),
        ("breast_cancer.csv", 30, sklearn.datasets.load_breast_cancer, {"skip_rows": 1}),
        ("digits.csv.gz", 64, sklearn.datasets.load_digits, {}),
    ],
)
def test_files_that_scikit_learn_ships(name, label, load, settings):
    """Their first lines have counts and names of classes, and their columns have no names."""
    inputs, labels, _ = read(SHIPPED / name, label=label, header=False, **settings)
    expected = load()
    np.testing.assert_allclose(inputs["train"], expected.data)
    assert labels == {"all": expected.target.tolist()}


ADULT = """\
39, State-gov, 77516, Bachelors, 13, Never-married, Adm-clerical, Not-in-family, White, Male, 2174, 0, 40, United-States, <=50K
50, Self-emp-not-inc, 83311, Bachelors, 13, Married-civ-spouse, Exec-managerial, Husband, White, Male, 0, 0, 13, United-States, <=50K
38, Private, 215646, HS-grad, 9, Divorced, Handlers-cleaners, Not-in-family, White, Male, 0, 0, 40, United-States, <=50K
54, ?, 180211, Some-college, 10, Married-civ-spouse, ?, Husband, Asian-Pac-Islander, Male, 0, 0, 60, South, >50K
31, Private, 45781, Masters, 14, Never-married, Prof-specialty, Not-in-family, White, Female, 14084, 0, 50, United-States, >50K
42, Private, 159449, Bachelors, 13, Married-civ-spouse, Exec-managerial, Husband, White, Male, 5178, 0, 40, United-States, >50K
"""


def test_adult_as_the_default_config_reads_it(tmp_path):
    """Files in its layout: no names, spaces after commas, ? for what is missing, a first line and dots in the test file."""
    rows = ADULT.splitlines()
    train = tmp_path / "adult.data"
    train.write_text("\n".join(rows * 2) + "\n\n")
    test = tmp_path / "adult.test"
    test.write_text("|1x3 Cross validator\n" + "".join(f"{row}.\n" for row in reversed(rows)) + "\n")
    config = validated(merged(DEFAULT))
    about = dataset_description(config, "adult")
    build_dataset(
        tmp_path / "d.h5", {"train": str(train), "test": str(test)}, name="adult", **about | {"shuffle": None}
    )
    found = Dataset.read(tmp_path / "d.h5")
    assert found.class_names == ["<=50K", ">50K"]
    assert found.train.labels.tolist() == [0, 0, 0, 1, 1] * 2 and found.test.labels.tolist() == [1, 1, 0, 0, 0]
    # Six of numbers; and 3 classes of work, 3 educations, 3 marital states, 4 occupations, 2 relationships, 1 race,
    # 2 sexes and 1 country of those who lack nothing.
    assert found.train.inputs.shape == (10, 6 + 3 + 3 + 3 + 4 + 2 + 1 + 2 + 1)
    age = np.array([39, 50, 38, 31, 42])
    np.testing.assert_allclose(found.train.inputs[:5, 0], (age - age.mean()) / age.std(), rtol=1e-5)
    assert found.train.inputs[:5, 1:4].tolist() == [[0, 0, 1], [0, 1, 0], [1, 0, 0], [1, 0, 0], [1, 0, 0]]


def test_errors_name_the_dataset_and_nothing_is_written(tmp_path):
    path = write(tmp_path / "d.csv", "x,price\n5,1\n7,0\n1,1\n")
    with pytest.raises(InputError, match=r"config: datasets.t: the table has no column .*; read from .*d.csv"):
        build_dataset(tmp_path / "d.h5", {"path": str(path)}, name="t", reader="table")
    with pytest.raises(
        InputError, match=r"config: datasets.t.words: the reader table has no such setting; leave it out"
    ):
        build_dataset(tmp_path / "d.h5", {"path": str(path)}, name="t", reader="table", words=5)
    assert not (tmp_path / "d.h5").exists()
