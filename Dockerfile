FROM condaforge/miniforge3:latest
LABEL io.github.snakemake.containerized="true"
LABEL io.github.snakemake.conda_env_hash="9dde5857bd878a6726c4df821bcafdfb7d5887d6919fcd9c67b1b0bc1d78732b"
# Conda environment:
#   source: envs/analysis.yaml
#   prefix: /conda-envs/06608acd78185044b50f8d14dc4e1fcc
#   # Collecting and comparing tables, and what needs neither torch nor raw files. The same pins as requirements.txt.
#   channels:
#     - conda-forge
#     - nodefaults
#   dependencies:
#     - python=3.12
#     - pip
#     - pip:
#         - h5py==3.16.0
#         - numba==0.68.1
#         - numpy==2.4.6
#         - pandas==3.1.1
#         - safetensors==0.8.0
#         - scipy==1.17.1
#         - threadpoolctl==3.8.0
#         - tqdm==4.70.1
RUN mkdir -p /conda-envs/06608acd78185044b50f8d14dc4e1fcc
COPY envs/analysis.yaml /conda-envs/06608acd78185044b50f8d14dc4e1fcc/environment.yaml
# Conda environment:
#   source: envs/data.yaml
#   prefix: /conda-envs/c4b23c8b6fd1251e185c89056ca13fdf
#   # Fetching and building datasets. The same pins as requirements.txt.
#   channels:
#     - conda-forge
#     - nodefaults
#   dependencies:
#     - python=3.12
#     - pip
#     - pip:
#         - h5py==3.16.0
#         - mlxtend==0.25.0
#         - numpy==2.4.6
#         - pandas==3.1.1
#         - pillow==13.0.0
#         - pooch==1.9.0
#         - requests==2.34.2
#         - scikit-image==0.26.0
#         - scikit-learn==1.9.1
#         - scipy==1.17.1
#         - tenacity==9.2.1
#         - tqdm==4.70.1
RUN mkdir -p /conda-envs/c4b23c8b6fd1251e185c89056ca13fdf
COPY envs/data.yaml /conda-envs/c4b23c8b6fd1251e185c89056ca13fdf/environment.yaml
# Conda environment:
#   source: envs/figures.yaml
#   prefix: /conda-envs/3fccbbb36edcc241cc527510086e952e
#   # Drawing, and the report. The same pins as requirements.txt.
#   channels:
#     - conda-forge
#     - nodefaults
#   dependencies:
#     - python=3.12
#     - pip
#     - pip:
#         - altair==6.3.0
#         - docutils==0.22.4
#         - h5py==3.16.0
#         - jinja2==3.1.6
#         - matplotlib==3.11.2
#         - numpy==2.4.6
#         - pandas==3.1.1
#         - pillow==13.0.0
#         - scipy==1.17.1
#         - threadpoolctl==3.8.0
#         - tqdm==4.70.1
#         - vl-convert-python==1.9.0.post1
RUN mkdir -p /conda-envs/3fccbbb36edcc241cc527510086e952e
COPY envs/figures.yaml /conda-envs/3fccbbb36edcc241cc527510086e952e/environment.yaml
# Conda environment:
#   source: envs/train.yaml
#   prefix: /conda-envs/f83562ca3f8cd7e30a497ec3d4949eff
#   # Training networks. The same pins as requirements.txt.
#   channels:
#     - conda-forge
#     - nodefaults
#   dependencies:
#     - python=3.12
#     - pip
#     - pip:
#         - faiss-cpu==1.15.1
#         - h5py==3.16.0
#         - jinja2==3.1.6
#         - numba==0.68.1
#         - numpy==2.4.6
#         - pandas==3.1.1
#         - pillow==13.0.0
#         - safetensors==0.8.0
#         - scikit-learn==1.9.1
#         - scipy==1.17.1
#         - threadpoolctl==3.8.0
#         - torch==2.15.0
#         - torchvision==0.29.2
#         - tqdm==4.70.1
RUN mkdir -p /conda-envs/f83562ca3f8cd7e30a497ec3d4949eff
COPY envs/train.yaml /conda-envs/f83562ca3f8cd7e30a497ec3d4949eff/environment.yaml

RUN conda env create --prefix /conda-envs/06608acd78185044b50f8d14dc4e1fcc --file /conda-envs/06608acd78185044b50f8d14dc4e1fcc/environment.yaml && \
    conda env create --prefix /conda-envs/c4b23c8b6fd1251e185c89056ca13fdf --file /conda-envs/c4b23c8b6fd1251e185c89056ca13fdf/environment.yaml && \
    conda env create --prefix /conda-envs/3fccbbb36edcc241cc527510086e952e --file /conda-envs/3fccbbb36edcc241cc527510086e952e/environment.yaml && \
    conda env create --prefix /conda-envs/f83562ca3f8cd7e30a497ec3d4949eff --file /conda-envs/f83562ca3f8cd7e30a497ec3d4949eff/environment.yaml && \
    conda clean --all -y
