"""Column names of the wing's tables: keys first, then metrics."""

FACTORS = ["sample_size", "l2", "batch_norm", "dropout", "label_noise", "instance_noise"]
KEYS = ["paper", "dataset", "study", "protocol", "depth", "layer_width", *FACTORS, "epoch", "repeat", "seed"]
METRICS = [
    *("redundancy_train", "redundancy_test", "kmeans_train", "kmeans_test", "kmeans_train_matched"),
    *("kmeans_test_matched", "knn", "lr", "accuracy_train", "accuracy_test", "loss_train", "loss_test"),
]
SHARES = [metric for metric in METRICS if not metric.startswith("loss")]  # in [0, 1]
