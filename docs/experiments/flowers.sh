# Flowers: the network frozen, then all of it trained, with batches of 4. It needs the folder flower_photos/.
python -m scripts.retrain --image_dir=flower_photos --architecture=mobilenet_1.0_224 --random_seed=1 \
    --split_key=name --validation_percentage=20 --testing_percentage=20 --validation_batch_size=-1 \
    --how_many_training_steps=600 --train_batch_size=4 --learning_rate=0.001 --eval_step_interval=90 \
    --summary_interval=10 --model_dir=tf_files/models --bottleneck_dir=tf_files/bottlenecks \
    --summaries_dir=tf_files/training_summaries/flowers_frozen \
    --output_graph=tf_files/flowers_frozen.pb --output_labels=tf_files/flowers_frozen.txt
python -m scripts.retrain --image_dir=flower_photos --architecture=mobilenet_1.0_224 --random_seed=1 \
    --split_key=name --validation_percentage=20 --testing_percentage=20 --validation_batch_size=-1 \
    --how_many_training_steps=600 --train_batch_size=4 --learning_rate=0.001 --eval_step_interval=90 \
    --summary_interval=10 --model_dir=tf_files/models --bottleneck_dir=tf_files/bottlenecks \
    --fine_tune_blocks=-1 --summaries_dir=tf_files/training_summaries/flowers_unfrozen \
    --output_graph=tf_files/flowers_unfrozen.pb --output_labels=tf_files/flowers_unfrozen.txt
