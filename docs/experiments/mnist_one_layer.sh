# MNIST with one hidden layer. It needs the folder mnist/, with train/ and test/ in it.
python -m scripts.retrain --image_dir=mnist --architecture=dense_128 --random_seed=1 \
    --bottleneck_dir=tf_files/bottlenecks --summaries_dir=tf_files/training_summaries/mnist_one_layer \
    --output_graph=tf_files/mnist_one_layer.pb --output_labels=tf_files/mnist_one_layer.txt
