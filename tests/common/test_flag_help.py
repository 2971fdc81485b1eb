"""What --help says: groups of flags, those of the classic script first in each."""

import pytest

from scripts import label_image, quantize_graph, retrain
from scripts.common import flag_help, flags

CLASSIC = {
    retrain: """image_dir output_graph intermediate_output_graphs_dir intermediate_store_frequency
        output_labels summaries_dir how_many_training_steps learning_rate testing_percentage
        validation_percentage eval_step_interval train_batch_size test_batch_size
        validation_batch_size print_misclassified_test_images model_dir bottleneck_dir
        final_tensor_name flip_left_right random_crop random_scale random_brightness
        architecture""",
    label_image: """image graph labels input_height input_width input_mean input_std input_layer
        output_layer""",
    quantize_graph: """input output output_node_names mode bitdepth print_nodes
        strip_redundant_quantization quantized_input quantized_input_min quantized_input_max
        quantized_fallback_min quantized_fallback_max test_input_dims""",
}


@pytest.mark.parametrize('module', CLASSIC)
def test_the_classic_flags_come_first_in_each_group(module):
    classic = set(CLASSIC[module].split())
    groups = flag_help.groups(module.FLAGS)
    names = [[flag.name for flag in group] for _, group in groups]
    assert len(groups) > 2
    assert sum(names, []) == list(dict.fromkeys(sum(names, []))), 'each flag once'
    assert set(sum(names, [])) == set(module.FLAGS) >= classic
    for group in names:
        assert group == sorted(group, key=lambda name: name not in classic)


@pytest.fixture
def define():
    return flags.Definer(flags.FlagValues(), 'Photos')


def text(define):
    return flag_help.text(define._values)


def test_groups_stand_in_the_order_of_their_definition(define):
    define.string('image_dir', 'photos', 'The photos.')
    define.group('Training').integer('steps', 3, 'The steps.')
    define.boolean('flip', False, 'Flip them.')
    assert text(define).splitlines()[1:] == [
        '',
        'Photos',
        '  --image_dir: The photos. (default: photos)',
        '  --[no]flip: Flip them. (default: false)',
        '',
        'Training',
        '  --steps: The steps. (default: 3)',
    ]


def test_one_group_has_no_title(define):
    define.string('image_dir', None, 'The photos.')
    assert text(define) == 'Flags:\n  --image_dir: The photos.'


def test_choices_and_lists_are_written_as_they_are_typed(define):
    define.choice('mode', 'fast', ['fast', 'good'], 'The mode.')
    define.strings('image', ['a.jpg', 'b.jpg'], 'The photos.')
    assert '--mode=fast|good: The mode. (default: fast)' in text(define)
    assert '--image: The photos. (default: a.jpg,b.jpg)' in text(define)


def test_lines_are_wrapped_but_not_within_a_default(define):
    define.string('name', 'default', 'word ' * 16 + 'words.')
    lines = text(define).splitlines()
    assert lines[-1] == '      (default: default)'
    assert max(map(len, lines)) <= 96
