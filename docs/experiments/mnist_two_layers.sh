# MNIST with two hidden layers. It needs the folder mnist/, with train/ and test/ in it.
python -m scripts.retrain --image_dir=mnist --architecture=dense_128_128 --random_seed=1 \
    --bottleneck_dir=tf_files/bottlenecks --summaries_dir=tf_files/training_summaries/mnist_two_layers \
    --output_graph=tf_files/mnist_two_layers.pb --output_labels=tf_files/mnist_two_layers.txt
