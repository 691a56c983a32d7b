#!/usr/bin/env bash
# Renders a Vernier project as a Slurm array job, one part a task:
#
#   sbatch --array=1-8 --export=ALL,SHARDS=8 slurm-array.sh PROJECT.vernier OUT_DIR
#
# SHARDS is how many parts there are, and --array lists those to render: 1 to SHARDS the first
# time, later only those that failed. Pictures that are in OUT_DIR already are not rendered again.
#SBATCH --job-name=vernier
#SBATCH --array=1-8
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --time=04:00:00
#SBATCH --output=vernier-%A-%a.log
# For a GPU each: #SBATCH --gres=gpu:1
set -euo pipefail

if [[ $# -ne 2 ]]; then
    echo "usage: sbatch --array=1-N --export=ALL,SHARDS=N slurm-array.sh PROJECT.vernier OUT_DIR" >&2
    exit 2
fi
project=$1
out=$2
shards=${SHARDS:-8}
# Slurm's index is the part's number: both count from 1.
shard=${SLURM_ARRAY_TASK_ID:?run this with sbatch --array=1-$shards}

if ((shard < 1 || shard > shards)); then
    echo "array index $shard is not in 1 to $shards; say --array=1-$shards" >&2
    exit 2
fi

export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}
exec vernier batch "$project" --shard "$shard/$shards" --out "$out"
