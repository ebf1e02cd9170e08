# Three images: `inference` (the submission, the default), `evaluation` (no torch) and `training` (simulation, training).
#
#   DOCKER_BUILDKIT=1 docker build -t feta-inference .                                      GPU: the ordinary torch package
#   DOCKER_BUILDKIT=1 docker build -t feta-inference --build-arg TORCH_BUILD=cpu .          CPU: the torch wheel in wheels/ (wheels/README.md)
#   DOCKER_BUILDKIT=1 docker build -t feta-evaluation --target evaluation .
#
# Needs BuildKit (DOCKER_BUILDKIT=1 on engines before 23). Layers run from what changes least to what changes most, so
# a change in the code installs nothing again. The images hold no pip: the stage `tools` lends it to them.
# Where pip needs settings of its own to reach its packages: --secret id=pip,src=/etc/pip.conf (kept in no layer).

ARG BASE=debian:bookworm-slim

# --- Python, an empty environment, and tini: process 1, passes SIGTERM on to whatever shell or Python runs below it ---
FROM ${BASE} AS python
RUN { command -v python3 && command -v tini; } >/dev/null \
    || { apt-get update && apt-get install -y --no-install-recommends python3 tini \
        && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*.log /var/log/apt; }
RUN python3 -m venv --without-pip /opt/venv && install -d -m 1777 /output
# Home and caches under /tmp: the image runs as any user and read-only, with a tmpfs there.
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/fetachallenge PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib NUMBA_CACHE_DIR=/tmp/numba
# What is compiled here serves every processor with AVX2, not only those of the kind that built the image.
ENV NUMBA_CPU_NAME=x86-64-v3 NUMBA_CPU_FEATURES=
WORKDIR /fetachallenge

# --- Two helpers, of which nothing ends up in an image: pip, and what the lock holds for each image ---
FROM python AS tools
RUN python3 -c 'import ensurepip' 2>/dev/null \
    || { apt-get update && apt-get install -y --no-install-recommends python3-venv && rm -rf /var/lib/apt/lists/*; }
RUN python3 -m venv /opt/tools \
    && printf '%s\n' '#!/bin/sh' 'exec /opt/tools/bin/python -m pip --python /opt/venv/bin/python install --no-cache-dir \' \
       '  --disable-pip-version-check --no-warn-script-location "$@"' >/opt/tools/install \
    && chmod 755 /opt/tools/install

FROM python AS locked
WORKDIR /locked
COPY tools/locked.py tools/locked.py
COPY requirements.lock pyproject.toml ./
# The lists hold all that is needed, and of nilearn, of which one file is read, nothing that it asks for: hence --no-deps.
RUN for extra in torch inference evaluation training; do python3 tools/locked.py $extra >$extra.txt || exit 1; done

# --- torch: what it needs by the lock, then itself, without its headers and its own tests (150 MB) ---
FROM python AS torch
ARG PIP_NO_INDEX PIP_INDEX_URL
RUN --mount=type=bind,from=tools,source=/opt/tools,target=/opt/tools --mount=type=secret,id=pip,target=/etc/pip.conf \
    --mount=type=bind,from=locked,source=/locked/torch.txt,target=/wanted.txt --mount=type=bind,source=wheels,target=/wheels \
    /opt/tools/install --find-links /wheels --require-hashes --only-binary :all: -r /wanted.txt
ARG TORCH_BUILD=gpu
ARG TORCH=torch==2.13.0
RUN --mount=type=bind,from=tools,source=/opt/tools,target=/opt/tools --mount=type=secret,id=pip,target=/etc/pip.conf \
    --mount=type=bind,source=wheels,target=/wheels \
    case ${TORCH_BUILD} in \
      cpu) options="--no-index --no-deps --find-links /wheels"; \
           ls /wheels/torch-*.whl >/dev/null || { echo "no torch wheel in wheels/: see wheels/README.md"; exit 1; } ;; \
      gpu) options=${PIP_NO_INDEX:+--find-links /wheels} ;; \
      *) echo "TORCH_BUILD is cpu or gpu, not ${TORCH_BUILD}"; exit 1 ;; \
    esac \
    && /opt/tools/install $options "$TORCH" \
    && (cd /opt/venv/lib/python3*/site-packages/torch && rm -rf include test bin/protoc* bin/test_* bin/*Test) \
    && python -c "import sys, torch; cuda = torch.version.cuda; print('torch', torch.__version__, 'CUDA', cuda); \
sys.exit(None if (cuda is None) == ('${TORCH_BUILD}' == 'cpu') else 'this is the other build of torch: see wheels/README.md')"

# --- Simulation and training ---
FROM torch AS training
RUN --mount=type=bind,from=tools,source=/opt/tools,target=/opt/tools --mount=type=secret,id=pip,target=/etc/pip.conf \
    --mount=type=bind,from=locked,source=/locked/training.txt,target=/wanted.txt --mount=type=bind,source=wheels,target=/wheels \
    /opt/tools/install --no-deps --find-links /wheels --require-hashes --only-binary :all: -r /wanted.txt
COPY --chmod=755 inference/container/entrypoint.sh /opt/entrypoint.sh
COPY --chmod=755 weights ./weights
COPY --chmod=755 feta ./feta
COPY --chmod=755 evaluation ./evaluation
COPY --chmod=755 inference ./inference
COPY --chmod=755 training ./training
RUN --mount=type=bind,source=inference/container/add-programs.sh,target=/add-programs.sh sh -e /add-programs.sh \
    training:feta-train inference:feta-infer evaluation:feta-evaluate
ARG VERSION REVISION
LABEL org.opencontainers.image.title="feta-training" \
      org.opencontainers.image.description="Simulation of fetal brain MRI and training of its networks. Not a medical device: for research only." \
      org.opencontainers.image.version="${VERSION}" org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0 AND LicenseRef-weights-non-commercial-research"
ENV FETA_PROGRAM=feta-train
ENTRYPOINT ["tini", "-g", "--", "/opt/entrypoint.sh"]

# --- The organizers' side: no torch, nothing of the submission ---
FROM python AS evaluation
ARG PIP_NO_INDEX PIP_INDEX_URL
RUN --mount=type=bind,from=tools,source=/opt/tools,target=/opt/tools --mount=type=secret,id=pip,target=/etc/pip.conf \
    --mount=type=bind,from=locked,source=/locked/evaluation.txt,target=/wanted.txt --mount=type=bind,source=wheels,target=/wheels \
    /opt/tools/install --find-links /wheels --require-hashes --only-binary :all: -r /wanted.txt
COPY --chmod=755 inference/container/entrypoint.sh /opt/entrypoint.sh
COPY --chmod=755 feta ./feta
COPY --chmod=755 evaluation ./evaluation
RUN --mount=type=bind,source=inference/container/add-programs.sh,target=/add-programs.sh sh -e /add-programs.sh evaluation:feta-evaluate
# Loops are compiled here: a container then starts without a compiler's pause. The entrypoint copies them to
# NUMBA_CACHE_DIR, since numba uses no cache that it can't write to.
RUN --mount=type=tmpfs,target=/tmp \
    NUMBA_CACHE_DIR=/opt/numba python -m evaluation.metrics.warm_up && chmod -R a+rX /opt/numba
ARG VERSION REVISION
LABEL org.opencontainers.image.title="feta-evaluation" \
      org.opencontainers.image.description="Scores and ranks submissions to the FeTA challenge. Not a medical device: for research only." \
      org.opencontainers.image.version="${VERSION}" org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV FETA_PROGRAM=feta-evaluate
ENTRYPOINT ["tini", "-g", "--", "/opt/entrypoint.sh"]

# --- The submission ---
FROM torch AS inference
RUN --mount=type=bind,from=tools,source=/opt/tools,target=/opt/tools --mount=type=secret,id=pip,target=/etc/pip.conf \
    --mount=type=bind,from=locked,source=/locked/inference.txt,target=/wanted.txt --mount=type=bind,source=wheels,target=/wheels \
    /opt/tools/install --no-deps --find-links /wheels --require-hashes --only-binary :all: -r /wanted.txt
COPY --chmod=755 inference/container/entrypoint.sh /opt/entrypoint.sh
COPY --chmod=755 weights ./weights
COPY --chmod=755 inference/container/src ./src
COPY --chmod=755 inference/container/scripts ./scripts
COPY --chmod=755 feta ./feta
COPY --chmod=755 inference ./inference
RUN --mount=type=bind,source=inference/container/add-programs.sh,target=/add-programs.sh sh -e /add-programs.sh inference:feta-infer
# All compiled loops of a case, by running them once; see the evaluation image above.
RUN --mount=type=tmpfs,target=/tmp NUMBA_CACHE_DIR=/opt/numba python -m inference.runs.warm_up && chmod -R a+rX /opt/numba
ARG VERSION REVISION
LABEL org.opencontainers.image.title="feta-inference" \
      org.opencontainers.image.description="Fetal brain MRI segmentation and biometry. Not a medical device: for research only." \
      org.opencontainers.image.version="${VERSION}" org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0 AND LicenseRef-weights-non-commercial-research"
# What results name as their container: --build-arg IMAGE_TAG=feta-inference:1.0.
ARG IMAGE_TAG
ENV FETA_PROGRAM=feta-infer FETA_CONTAINER_TAG=${IMAGE_TAG}
ENTRYPOINT ["tini", "-g", "--", "/opt/entrypoint.sh"]
