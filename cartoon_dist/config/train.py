"""Every setting of training and its default; `config.reading` reads them."""

from typing import Annotated, Literal

from pydantic import Field

from cartoon_dist.config.fields import (
    Count,
    CountOrZero,
    DeviceName,
    Fraction,
    NotNegative,
    PathOrURL,
    Positive,
    ProjectName,
    Seed,
    TrackerNames,
    settings_dataclass,
)


@settings_dataclass
class DataSettings:
    """Where the shards lie and how their samples are used."""

    # A folder, or a URL (https://, s3://, file://, ...) that is fetched into a folder of `cache` first.
    photos: PathOrURL = "runs/shards/photos"
    cartoons: PathOrURL = "runs/shards/cartoons"
    cache: PathOrURL = "runs/cache"
    # A damaged sample is replaced by another one; when more than so many are, the run stops.
    max_damaged: CountOrZero = 10
    # What to do when the stored pictures are larger than image_size: refuse, shrink them, or cut a random window.
    fit: Literal["exact", "shrink", "crop"] = "exact"
    flip: bool = True
    num_workers: CountOrZero = 2
    # Decode every sample once, before the first step, and keep its bytes in memory: one copy a node, or on each GPU
    # (docs/training.md). auto takes what fits.
    keep: Literal["none", "host", "device", "auto"] = "none"


@settings_dataclass
class ModelSettings:
    """The networks; the defaults are the paper's last row of Table 1."""

    # Bounded, also together (config/checks.py): a file that is not to be trusted may ask for a network, too.
    channels: Annotated[int, Field(ge=2, le=1024, multiple_of=2)] = 64
    num_blocks: Annotated[int, Field(ge=0, le=256)] = 8
    saliency: Literal["none", "sal", "ressal"] = "ressal"
    residual: Literal["projection", "identity"] = "projection"
    attention: Literal["none", "cbam"] = "cbam"
    # What the generator draws: the cartoon, as the paper's, or a change that is added to the photo, which keeps the
    # photo's colours from the first step on.
    output: Literal["picture", "change"] = "picture"
    # What the generator sees beyond the borders (not AnimeGAN's, which always mirrors): zeros, as the papers', or the
    # picture mirrored.
    padding: Literal["zeros", "reflect"] = "zeros"
    # Whether White-box's generator ends in its guided filter, which keeps the photo's edges and blurs drawn outlines.
    guided: bool = True
    # Whether the generator's losses reach the saliency network through the joints.
    joints: Literal["attached", "detached"] = "attached"
    # Less memory, more time: the backward runs each of the generator's residual blocks once more (docs/performance.md).
    checkpoint_blocks: bool = False


@settings_dataclass
class ContentSettings:
    """Eq 9 and Eq 12: w_con = weight * decay ** floor(epoch / every)."""

    weight: NotNegative = 0.25
    decay: Annotated[float, Field(gt=0, le=1)] = 0.96
    every: Count = 10
    network: Literal["vgg19", "vgg16"] = "vgg19"
    layer: str = "conv4_4"
    vgg_input: Literal["unit", "imagenet", "caffe"] = "unit"
    # What the drawing is compared with, here and in the warm-up: the photo, as in the papers, or the photo made flat
    # and outlined by a filter (loss.flattening). The second teaches a small network to draw in minutes.
    target: Literal["photo", "flattened"] = "photo"


@settings_dataclass
class FlatteningSettings:
    """How a photo is made flat for loss.content.target=flattened (losses/flattening.py)."""

    # Of the Kuwahara filter, in pixels, and how often it is applied.
    radius: Annotated[int, Field(ge=1, le=7)] = 4
    passes: Annotated[int, Field(ge=1, le=4)] = 2
    # How dark outlines are; 0 draws none.
    ink: NotNegative = 8.0


@settings_dataclass
class SaliencyLossSettings:
    """Eq 10 and its weight w_s in Eq 11."""

    weight: NotNegative = 1.0


@settings_dataclass
class VariationSettings:
    """The mean squared difference of neighbouring pixels of a drawing. The papers have none."""

    weight: NotNegative = 0.0


@settings_dataclass
class AnimeGANSettings:
    """The weights of AnimeGAN's losses (docs/baselines.md); that of its content is `loss.content.weight`."""

    adversarial: NotNegative = 300.0
    style: NotNegative = 3.0
    colour: NotNegative = 10.0
    # The weight of grey smoothed cartoons among the discriminator's terms.
    smoothed: NotNegative = 0.1
    # VGG's features are multiplied by it: the weights were chosen for Caffe's, whose input reaches to 255.
    feature_scale: Positive = 50.0


@settings_dataclass
class WhiteboxSettings:
    """The weights of White-box's losses, as its program has them; that of its content is `loss.content.weight`."""

    surface: NotNegative = 0.1
    texture: NotNegative = 1.0
    structure: NotNegative = 200.0
    variation: NotNegative = 1e4
    # Into how many superpixels a picture is cut for `structure`: the fewer, the larger the flat patches.
    segments: Count = 200
    # What a distance of features is divided by: h w c of conv4_4 at 256 px.
    area: Count = 524_288
    # VGG's features are multiplied by it: the weights were chosen for Caffe's, whose input reaches to 255.
    feature_scale: Positive = 50.0


@settings_dataclass
class LossSettings:
    """The terms of Eq 11; `log` is Eq 6, the original CartoonGAN's."""

    adversarial: Literal["lsgan", "log"] = "lsgan"
    content: ContentSettings = Field(default_factory=ContentSettings)
    flattening: FlatteningSettings = Field(default_factory=FlatteningSettings)
    saliency: SaliencyLossSettings = Field(default_factory=SaliencyLossSettings)
    variation: VariationSettings = Field(default_factory=VariationSettings)
    animegan: AnimeGANSettings = Field(default_factory=AnimeGANSettings)
    whitebox: WhiteboxSettings = Field(default_factory=WhiteboxSettings)


@settings_dataclass
class WarmupSettings:
    """The phase before GAN training: G learns to copy the photo, S learns its label."""

    epochs: NotNegative = 10.0
    # Instead of epochs, counted over the photos, a plain number of steps.
    steps: CountOrZero | None = None
    loss: Literal["content", "pixel"] = "content"
    learning_rate: Positive = 2e-4


@settings_dataclass
class OptimizerSettings:
    """Adam, one for each network."""

    generator: Positive = 2e-4
    discriminator: Positive = 2e-4
    betas: tuple[Fraction, Fraction] = (0.5, 0.999)
    # The learning rates are multiplied by `factor` at each of these epochs of the GAN phase.
    milestones: tuple[Count, ...] = (100, 150)
    factor: Positive = 0.1
    # The largest norm of a network's gradient; a longer one is shortened. null leaves all as they are.
    clip: Positive | None = None


@settings_dataclass
class WarningSettings:
    """When a run says that something looks wrong."""

    dominance: Positive = 10.0
    dominance_steps: Count = 100
    # D has won when its means of real and generated cartoons are this far apart; it has lost when they are this close.
    won: Positive = 0.95
    lost: NotNegative = 0.02
    judged_steps: Count = 200


@settings_dataclass
class CheckpointSettings:
    """How often the whole state is written, and which of the checkpoints are kept: the best by score always is."""

    every: Count = 1000
    # Keep the last so many, and for ever those of every so many steps; null keeps none for ever.
    keep: Count = 3
    keep_every: Count | None = None


@settings_dataclass
class ScoreSettings:
    """How a trained generator is scored: its pictures of photos against the style's cartoons."""

    features: Literal["inception", "efficientnet_lite0"] = "inception"
    # Which weights generate; the paper has no running average, so its tables take the raw ones.
    weights: Literal["ema", "raw"] = "ema"
    # Held-out photos, or those of the training set. The cartoons are all of the style's.
    photos: Literal["test", "train"] = "test"
    batch_size: Count = 32
    # Number of random halves of both sets from which the distance's standard error is estimated; 0 leaves it out.
    subsamples: CountOrZero = 10
    # Whether generated pictures are compared with their photos (LPIPS); needs vgg16's weights.
    content: bool = True


@settings_dataclass
class CaptureSettings:
    """The step as a recorded graph: a CUDA graph on a GPU, on a CPU a replay that only proves what can be recorded.

    generator: G's forward and update, the other networks' between them plain. iteration: all of it.
    """

    mode: Literal["none", "generator", "iteration"] = "none"
    # Plain training steps before the recording.
    warmup_steps: Annotated[int, Field(ge=1)] = 3
    # A step that cannot be captured is an error, instead of a warning and plain steps.
    require: bool = False


@settings_dataclass
class TrainSettings:
    """All settings of a training run."""

    run_dir: PathOrURL
    method: Literal["cartoongan", "animegan", "whitebox"] = "cartoongan"
    seed: Seed = 0
    image_size: Annotated[int, Field(ge=16, le=4096, multiple_of=4)] = 256
    batch_size: Count = 4
    # What a batch other than the paper's 4 does to all learning rates: nothing, times batch_size / 4, or its root.
    scale_lr: Literal["none", "linear", "sqrt"] = "none"
    # Each process computes its share of a batch in so many equal parts, one after the other: less memory, same result.
    accumulate: Count = 1
    epochs: Positive = 200.0
    max_steps: Count | None = None
    max_hours: Positive | None = None
    # A run, a checkpoint or a .safetensors export whose weights this run begins with (docs/training.md); read once, as
    # long as the run has no checkpoint of its own.
    init_from: PathOrURL | None = None
    device: DeviceName = "auto"
    precision: Literal["fp32", "bf16", "fp16", "fp64"] = "fp32"
    # DeepSpeed's ZeRO: 1 divides the optimizers' moments over the processes, 2 the gradients as well. 0 is what the
    # launcher asks for: without configs/accelerate/deepspeed.yaml nothing is divided.
    zero_stage: Literal[0, 1, 2] = 0
    upsample: Literal["transposed", "resize"] = "transposed"
    # Which generator makes the sample pictures: the running average of the weights, or the weights themselves.
    weights: Literal["ema", "raw"] = "ema"
    weights_folder: PathOrURL = "weights"
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.999
    # All processes' weights are compared every so many steps: a difference stops the run.
    compare_every: Count = 500
    # How long a process may send no heartbeat before the others count it as lost and end.
    silence_seconds: Positive = 45.0
    log_every: Count = 50
    sample_every: Count = 1000
    num_samples: Count = 8
    # Where the run is followed beside TensorBoard, for instance [wandb, mlflow] (docs/training.md); and in which
    # project there.
    track: TrackerNames = ()
    track_project: ProjectName = "cartoon_dist"
    data: DataSettings = Field(default_factory=DataSettings)
    model: ModelSettings = Field(default_factory=ModelSettings)
    loss: LossSettings = Field(default_factory=LossSettings)
    warmup: WarmupSettings = Field(default_factory=WarmupSettings)
    optimizer: OptimizerSettings = Field(default_factory=OptimizerSettings)
    checkpoint: CheckpointSettings = Field(default_factory=CheckpointSettings)
    warning: WarningSettings = Field(default_factory=WarningSettings)
    score: ScoreSettings = Field(default_factory=ScoreSettings)
    score_at_end: bool = False
    capture: CaptureSettings = Field(default_factory=CaptureSettings)
