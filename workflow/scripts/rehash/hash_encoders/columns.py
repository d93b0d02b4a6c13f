"""Column names of the wing's tables, keys and metrics; and the split that a published K-Means curve is of."""

from __future__ import annotations

REGULARISERS = ["l2", "weight_decay", "batch_norm", "dropout", "activation", "augmentation", "patience"]
FACTORS = ["sample_size", *REGULARISERS, "label_noise", "instance_noise"]
KEYS = ["paper", "dataset", "study", "protocol", "depth", "layer_width", *FACTORS, "epoch", "repeat", "seed"]
METRICS = [
    *("redundancy_train", "redundancy_test", "kmeans_train", "kmeans_test", "kmeans_train_matched"),
    *("kmeans_test_matched", "knn", "lr", "accuracy_train", "accuracy_test", "loss_train", "loss_test"),
]
ONE_VS_ONE, ONE_VS_REST = "one-vs-one", "one-vs-rest"  # values of lr_scheme: how logistic regression divides classes
SHARES = [metric for metric in METRICS if not metric.startswith("loss")]  # in [0, 1]
# Whose codes K-Means clustered in a published panel, by study and dataset. The sample-size panels and MNIST's training
# time say "test". The other two panels of CIFAR-10 do not say: at width 80 their curve lies above the network's own
# test accuracy (0.61 against 0.53), and at 40,000 inputs above the panel that says "test" (0.61 against 0.46). MNIST's
# capacity panel does not say either, and there no number tells the splits apart; both are compared, neither is judged.
KMEANS_SPLITS = {
    ("capacity", "cifar10"): "train",
    ("training_time", "cifar10"): "train",
    ("training_time", "mnist"): "test",
    ("sample_size", "mnist"): "test",
    ("sample_size", "cifar10"): "test",
}


def kmeans_split(study: str, dataset: str) -> str | None:
    """Return the split whose codes a published K-Means curve is of, train or test; None if that is unknown."""
    return KMEANS_SPLITS.get((study, dataset))


# The columns of the table of a network's layers (`rehash.hash_encoders.models.measure`).
LAYER_KEYS = [
    "paper",
    "dataset",
    "model",
    "source",
    "state",
    "repeat",
    "seed",
    "node",
    "place",
    "pool",
    "share",
    "classes",
]
LAYER_METRICS = [
    *("redundancy_train", "redundancy_test", "purity_train", "purity_test", "kmeans_train", "kmeans_test"),
    *("kmeans_train_matched", "kmeans_test_matched", "knn", "lr", "accuracy_train", "accuracy_test"),
]
_COUNTS = ["train_samples", "test_samples", "layer_bits", "kept_bits", "code_bits"]
LAYER_COLUMNS = [*LAYER_KEYS, "lr_scheme", *_COUNTS, *LAYER_METRICS]
# The columns of the table of lines through the regions of such networks (`rehash.hash_encoders.models.regions`).
MODEL_LINES = [
    *("paper", "dataset", "model", "source", "state", "repeat", "seed", "points", "direction", "line"),
    *("forward", "backward", "chord", "nearest_face", "nearest_face_exact", "length"),
]
