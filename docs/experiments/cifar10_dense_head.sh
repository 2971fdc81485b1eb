# CIFAR-10: frozen MobileNet v2 with a head of six dense layers, 30 epochs. It needs the folder cifar10/,
# with train/ and test/ in it, and mobilenet_v2_1.0_224.pb in networks/.
python -m scripts.retrain --image_dir=cifar10 --architecture=networks/mobilenet_v2_1.0_224.pb \
    --input_mean=127.5 --input_std=127.5 --input_height=96 --input_width=96 --random_seed=1 \
    --hidden_units=1024,1024,512,512,512,512 --learning_rate=0.01 --train_batch_size=128 \
    --how_many_training_steps=10500 --eval_step_interval=350 --validation_batch_size=-1 \
    --summary_interval=350 --bottleneck_dir=tf_files/bottlenecks \
    --summaries_dir=tf_files/training_summaries/cifar10_dense_head \
    --output_graph=tf_files/cifar10_dense_head.pb --output_labels=tf_files/cifar10_dense_head.txt
