"""Features of photos on an Apache Spark cluster, for retrain --features."""
