#!/bin/sh
# The main job from nothing, offline: draws photos of five kinds of flower, retrains the embedded
# sample network on them, and labels a photo that training has not seen.
cd "$(dirname "$0")/.." || exit 1
. scripts/venv.sh

take_environment
make_venv "$venv" "$python" requirements.txt || exit 1

photo=tf_files/sample_held_out/tulip_1.jpg

# Runs a command as a user would type it, and shows it first.
show_and_run() {
    echo
    echo "\$ $(echo "$*" | sed 's/ --/ \\\n    --/g')"
    "$venv/bin/$@" || exit 1
}

show_and_run python -m scripts.sample.draw_flowers --output_dir=tf_files/sample_photos \
    --held_out_dir=tf_files/sample_held_out
show_and_run python -m scripts.retrain --image_dir=tf_files/sample_photos --architecture=sample \
    --bottleneck_dir=tf_files/sample_bottlenecks --summaries_dir=tf_files/sample_summaries \
    --output_graph=tf_files/sample_graph.pb --output_labels=tf_files/sample_labels.txt \
    --report=tf_files/sample_report.html \
    --how_many_training_steps=500 --eval_step_interval=100 --random_seed=1
show_and_run python -m scripts.label_image --graph=tf_files/sample_graph.pb \
    --labels=tf_files/sample_labels.txt --image=$photo

cat <<END

Done. These are the labels of $photo, which training has not seen.
  photos        tf_files/sample_photos; more to label in tf_files/sample_held_out
  report        tf_files/sample_report.html: open it in a browser
  graph         tf_files/sample_graph.pb
  labels        tf_files/sample_labels.txt
  bottlenecks   tf_files/sample_bottlenecks
  summaries     tf_files/sample_summaries

Next, from this folder:
  . $venv/bin/activate
  tensorboard --logdir tf_files/sample_summaries      then open http://localhost:6006
  python -m scripts.retrain --help
For your own photos: one sub-folder per class, the folder above them as --image_dir, and
--architecture=mobilenet_0.50_224, which was trained on real photos.
END
