# Tiny ImageNet at 32 x 32 pixels: one convolution and dense layers on each position, two and a half
# epochs. It needs the folder tiny_imagenet_32/, with train/ and val/ in it.
python -m scripts.retrain --image_dir=tiny_imagenet_32/train --test_dir=tiny_imagenet_32/val \
    --architecture=cnn_32 --random_seed=1 --how_many_training_steps=2000 --learning_rate=0.015 \
    --warmup_steps=100 --validation_percentage=4 --summary_interval=20 \
    --bottleneck_dir=tf_files/bottlenecks \
    --summaries_dir=tf_files/training_summaries/tiny_imagenet_cnn \
    --output_graph=tf_files/tiny_imagenet_cnn.pb --output_labels=tf_files/tiny_imagenet_cnn.txt
