# CIFAR-10: EfficientNet-Lite0, all of it trained at 128 x 128 pixels for four and a half epochs. It
# needs the folder cifar10/, with train/ and test/ in it, and efficientnet_lite0.pb in networks/.
python -m scripts.retrain --image_dir=cifar10 --architecture=networks/efficientnet_lite0.pb \
    --input_mean=127 --input_std=128 --input_height=128 --input_width=128 --random_seed=1 \
    --fine_tune_blocks=-1 --head_steps=0 --how_many_training_steps=3300 --train_batch_size=64 \
    --optimizer=adam --fine_tune_learning_rate=0.0003 --flip_left_right --random_crop=12 \
    --validation_percentage=5 --summary_interval=50 --bottleneck_dir=tf_files/bottlenecks \
    --summaries_dir=tf_files/training_summaries/cifar10_fine_tuned \
    --output_graph=tf_files/cifar10_fine_tuned.pb --output_labels=tf_files/cifar10_fine_tuned.txt
