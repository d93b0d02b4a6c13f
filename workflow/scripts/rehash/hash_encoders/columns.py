"""Column names of the wing's tables: keys first, then metrics."""

KEYS = ["paper", "dataset", "protocol", "depth", "layer_width", "sample_size", "epoch", "repeat", "seed"]
METRICS = [
    *("redundancy_train", "redundancy_test", "kmeans_train", "kmeans_test", "kmeans_train_matched"),
    *("kmeans_test_matched", "knn", "lr", "accuracy_train", "accuracy_test", "loss_train", "loss_test"),
]
