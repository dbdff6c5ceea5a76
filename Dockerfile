# Drawing, training, scoring and the page to try, in a container. Never built by its authors; see docs/install.md.
#
#   docker build -t cartoon-dist .                                                              on CPUs
#   docker build -t cartoon-dist:cuda --build-arg TORCH_INDEX=https://pypi.org/simple .         on NVIDIA GPUs
#   docker run --rm -v "$PWD:/pictures" cartoon-dist cartoonize photo.jpg
#   docker run --rm --gpus all --ipc=host -v "$PWD:/pictures" cartoon-dist:cuda train hayao
#
# torch from PyPI brings CUDA's libraries: the base needs none, the host NVIDIA's driver and container toolkit. For
# another CUDA give its index, as https://download.pytorch.org/whl/cu128; for a base with a compiler (torch.compile on
# a GPU) --build-arg BASE=docker.io/library/python:3.12-bookworm.
ARG BASE=docker.io/library/python:3.12-slim-bookworm

FROM ${BASE} AS built
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ARG EXTRAS=train,score,film,heic,hub,web
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python3 -m venv /venv
# The large layer first: it stays the same while the program changes. The ranges are pyproject.toml's.
RUN /venv/bin/pip install --index-url "${TORCH_INDEX}" "torch>=2.8,<2.15" "torchvision>=0.23,<0.30"
COPY . /source
RUN /venv/bin/pip install "/source[${EXTRAS}]"

FROM ${BASE}
COPY --from=built /venv /venv
# Not root: what it writes into a mounted folder belongs to user 1000, or to whom --user names.
RUN useradd --create-home --uid 1000 cartoonist && chmod 777 /home/cartoonist
ENV PATH=/venv/bin:${PATH} HOME=/home/cartoonist PYTHONUNBUFFERED=1
USER cartoonist
WORKDIR /pictures
ENTRYPOINT ["cartoon-dist"]
CMD ["--help"]
