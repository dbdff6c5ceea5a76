"""Kernels are told apart by their names, as torch 2 and cuDNN 9 give them."""

import re
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch

from bench.gpu_proof import timing
from bench.gpu_proof.kernels import Kernel, group_of, summary
from tests.running import ROOT

NATIVE = "void at::native::"
TRITON = sorted((ROOT / "cartoon_dist" / "gpu").glob("*.py"))
NAMES = {
    "convolutions": [
        "sm80_xmma_fprop_implicit_gemm_bf16bf16_bf16f32_f32_nhwckrsc_nhwc_tilesize128x128x32_stage4_warpsize2x2x1_g1_"
        "tensor16x8x16_execute_kernel__5x_cudnn",
        "void cutlass__5x_cudnn::Kernel<cutlass_tensorop_bf16_s16816wgrad_optimized_bf16_256x128_32x3_nhwc_align8>"
        "(cutlass_tensorop_bf16_s16816wgrad_optimized_bf16_256x128_32x3_nhwc_align8::Params)",
        "sm90_xmma_dgrad_implicit_gemm_indexed_bf16bf16_bf16f32_f32_nhwckrsc_nhwc_tilesize64x128x64_cudnn_infer",
        "void cudnn::winograd_nonfused::winogradForwardData4x4<float, float>(...)",
        "void implicit_convolve_sgemm<float, float, 128, 5, 5, 3, 3, 3, 1, true, false, true>(...)",
        "void cudnn::cnn::wgrad2d_c1_k1_nchw_ker<float>(...)",
        "nvjet_hsh_128x256_64x4_2x1_v_bz_coopA_NNT",
        "void cask__5x_cudnn::computeOffsetsKernel<false, false>(cask__5x_cudnn::ComputeOffsetsParams)",
        "void cublasLt::splitKreduce_kernel<32, 16, int, float, float, float>(...)",
    ],
    "layout copies": [
        "void cudnn::ops::nchwToNhwcKernel<__nv_bfloat16, __nv_bfloat16, float, false, true, (cudnnKernelDataType_t)0>"
        "(cudnn::ops::nchw2nhwc_params_t<float>, __nv_bfloat16 const*, __nv_bfloat16*)",
        "void cudnn::engines_precompiled::nhwcToNchwKernel<__half, __half, float, true, false>(...)",
        "void cudnn::ops::nhwcAddPaddingKernel<__half, __half, float, true>(...)",
    ],
    "norms": [
        NATIVE + "batch_norm_collect_statistics_kernel<at::native::InvStd, float, float, float, int>(...)",
        NATIVE + "batch_norm_transform_input_kernel<c10::BFloat16, float, float, true, int>(...)",
        NATIVE + "batch_norm_backward_reduce_kernel<float, float, float, int>(...)",
        "void cudnn::bn_fw_tr_1C11_singleread<float, 512, true, 1, 2, 0>(...)",
        "instance_norm_relu_forward_kernel",
    ],
    "padding": [
        NATIVE + "(anonymous namespace)::reflection_pad2d_out_kernel<c10::BFloat16>(...)",
        NATIVE + "(anonymous namespace)::reflection_pad2d_backward_det_out_kernel<float>(...)",
    ],
    "pooling": [
        NATIVE + "(anonymous namespace)::max_pool_forward_nchw<c10::BFloat16>(...)",
        NATIVE + "(anonymous namespace)::max_pool_backward_nchw<float, float>(...)",
        NATIVE + "(anonymous namespace)::adaptive_average_pool<float>(...)",
        NATIVE + "(anonymous namespace)::adaptivemaxpool<float>(...)",
    ],
    "reductions": [
        NATIVE + "reduce_kernel<512, 1, at::native::ReduceOp<float, at::native::NormTwoOps<float, float, float>>>(...)",
        NATIVE + "reduce_kernel<128, 4, at::native::ReduceOp<c10::BFloat16, at::native::func_wrapper_t<...>>>(...)",
        "void cub::CUB_200802_SM_900::DeviceReduceSingleTileKernel<...>(...)",
    ],
    "copies and elementwise": [
        NATIVE + "vectorized_elementwise_kernel<4, at::native::BinaryFunctor<float, float, float, MulFunctor>>(...)",
        NATIVE + "unrolled_elementwise_kernel<at::native::direct_copy_kernel_cuda(at::TensorIteratorBase&)>(...)",
        NATIVE + "elementwise_kernel<128, 4, at::native::gpu_kernel_impl_nocast<leaky_relu_backward_kernel>>(...)",
        NATIVE + "(anonymous namespace)::CatArrayBatchedCopy_contig<...>(...)",
        "Memcpy DtoD (Device -> Device)",
        "Memset (Device)",
    ],
    "optimizer": [
        NATIVE + "(anonymous namespace)::multi_tensor_apply_kernel<at::native::(anonymous namespace)::"
        "FusedOptimizerTensorListMetadata<4>, at::native::(anonymous namespace)::FusedAdamMathFunctor<float, 4>>(...)",
    ],
    "all-reduce": ["ncclDevKernel_AllReduce_Sum_f32_RING_LL(ncclDevKernelArgsStorage<4096ul>)"],
    "other": ["void at_cuda_detail::something_new(...)", "spin"],
}


@pytest.mark.parametrize(("group", "name"), [(group, name) for group, names in NAMES.items() for name in names])
def test_a_kernel_belongs_to_its_group(group: str, name: str) -> None:
    assert group_of(name) == group


def test_a_summary_is_of_one_step() -> None:
    kernels = [Kernel("spin", 0.004, 2), Kernel(NAMES["padding"][0], 0.012, 8)]
    found = summary(kernels, num_steps=2)
    assert (found["kernel_ms"], found["launches"]) == (8.0, 5.0)
    assert found["groups"][0] == {"group": "padding", "ms": 6.0, "share": 0.75, "launches": 4.0}
    assert [kernel["group"] for kernel in found["top"]] == ["padding", "other"]


def test_a_summary_of_nothing_has_no_shares() -> None:
    assert {group["share"] for group in summary([], num_steps=1)["groups"]} == {None}


def event(name: str, device: str, microseconds: float, *, annotation: bool = False) -> SimpleNamespace:
    return SimpleNamespace(
        name=name,
        device_type=SimpleNamespace(name=device),
        is_user_annotation=annotation,
        time_range=SimpleNamespace(elapsed_us=lambda: microseconds),
    )


def test_only_what_ran_on_the_device_counts_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    events = [
        event("cudaGraphLaunch", "CPU", 70),
        event("Optimizer.step#Adam.step", "CUDA", 50, annotation=True),
        event("adam_kernel", "CUDA", 30),
        event("adam_kernel", "CUDA", 20),
    ]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(timing, "wait", lambda: None)
    recorded = SimpleNamespace(events=lambda: events)
    monkeypatch.setattr(timing, "profile", lambda **_: nullcontext(recorded))
    [kernel] = timing.recorded_kernels(lambda: None, num_steps=2)
    assert (kernel.name, kernel.launches) == ("adam_kernel", 2)
    assert kernel.seconds == pytest.approx(50e-6)
    assert timing.kernel_seconds(lambda: None, num_steps=2) == pytest.approx(25e-6)


def test_our_own_kernels_are_a_group_of_their_own() -> None:
    texts = [path.read_text(encoding="utf-8") for path in TRITON]
    names = [name for text in texts for name in re.findall(r"^def (\w+_kernel)\(", text, flags=re.MULTILINE)]
    assert len(names) >= 4
    assert {name: group_of(name) for name in names} == dict.fromkeys(names, "fused operations")
