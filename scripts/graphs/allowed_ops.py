"""The allowlist of operations that an untrusted graph may have: each only computes.

Made by going through all operations of TensorFlow 1.15 and 2.21. Not listed, and so refused:
operations that read or write files, communicate with other programs or machines, call Python,
compile code, wait for queues, iterate over data sets, or train. An operation of a future TensorFlow
is refused until it is listed here.
"""

_GROUPS = (
    # What graphs are made of: values, what is fed, control flow and functions. Print and Assert
    # write to standard error.
    """
    Assert Case CheckNumerics Const ControlTrigger EnsureShape Enter Exit FakeParam For
    GuaranteeConst Identity IdentityN If LoopCond Merge NextIteration NoOp PartitionedCall
    Placeholder PlaceholderV2 PlaceholderWithDefault PreventGradient Print RefEnter RefExit
    RefIdentity RefMerge RefNextIteration RefSelect RefSwitch Snapshot
    StatefulPartitionedCall StatelessCase StatelessIf StatelessWhile StopGradient Switch
    ToBool While
    """,
    # Numbers, one by one.
    """
    Abs AccumulateNV2 Acos Acosh Add AddN AddV2 Angle ApproximateEqual Asin Asinh Atan Atan2
    Atanh BesselI0 BesselI0e BesselI1 BesselI1e BesselJ0 BesselJ1 BesselK0 BesselK0e
    BesselK1 BesselK1e BesselY0 BesselY1 Betainc Bitcast BitwiseAnd BitwiseOr BitwiseXor
    Cast Ceil ClipByValue CompareAndBitpack Complex ComplexAbs Conj Cos Cosh Dawsn Digamma
    Div DivNoNan Equal Erf Erfc Erfinv Exp Expint Expm1 Floor FloorDiv FloorMod FresnelCos
    FresnelSin Greater GreaterEqual Igamma Igammac Imag Inv Invert IsFinite IsInf IsNan
    LeftShift Less LessEqual Lgamma Log Log1p LogicalAnd LogicalNot LogicalOr Maximum
    Minimum Mod Mul MulNoNan Ndtri Neg NextAfter NotEqual Polygamma PopulationCount Pow Real
    RealDiv Reciprocal RightShift Rint Round Rsqrt Sigmoid Sign Sin Sinh Spence Sqrt Square
    SquaredDifference Sub Tan Tanh TruncateDiv TruncateMod Xdivy Xlog1py Xlogy Zeta
    """,
    # Many numbers to fewer.
    """
    All Any ArgMax ArgMin Bincount Bucketize Cumprod Cumsum CumulativeLogsumexp
    DenseBincount EuclideanNorm HistogramFixedWidth LowerBound Max Mean Min Prod SegmentMax
    SegmentMaxV2 SegmentMean SegmentMin SegmentMinV2 SegmentProd SegmentProdV2 SegmentSum
    SegmentSumV2 Sum Unique UniqueV2 UniqueWithCounts UniqueWithCountsV2 UnsortedSegmentMax
    UnsortedSegmentMin UnsortedSegmentProd UnsortedSegmentSum UpperBound
    """,
    # Shapes, parts and orders.
    """
    BroadcastArgs BroadcastTo Concat ConcatOffset ConcatV2 ConjugateTranspose
    DynamicPartition DynamicStitch ExpandDims Fill Gather GatherNd GatherV2
    InvertPermutation LinSpace ListDiff MirrorPad OneHot OnesLike Pack Pad PadV2
    ParallelConcat ParallelDynamicStitch Range Rank Reshape Reverse ReverseSequence
    ReverseV2 Roll ScatterNd ScatterNdNonAliasingAdd Select SelectV2 Shape ShapeN Size Slice
    Split SplitV Squeeze StridedSlice TensorScatterAdd TensorScatterMax TensorScatterMin
    TensorScatterSub TensorScatterUpdate TensorStridedSliceUpdate Tile Transpose Unpack
    UnravelIndex Where ZerosLike
    """,
    # Matrices and Fourier transforms.
    """
    BandedTriangularSolve BatchCholesky BatchFFT BatchFFT2D BatchFFT3D BatchIFFT BatchIFFT2D
    BatchIFFT3D BatchMatMul BatchMatMulV2 BatchMatMulV3 BatchMatrixBandPart
    BatchMatrixDeterminant BatchMatrixDiag BatchMatrixDiagPart BatchMatrixInverse
    BatchMatrixSetDiag BatchMatrixSolve BatchMatrixSolveLs BatchMatrixTriangularSolve
    BatchSelfAdjointEig BatchSelfAdjointEigV2 BatchSvd Cholesky Cross Diag DiagPart Eig
    Einsum FFT FFT2D FFT3D FFTND IFFT IFFT2D IFFT3D IFFTND IRFFT IRFFT2D IRFFT3D IRFFTND
    LogMatrixDeterminant Lu MatMul MatrixBandPart MatrixDeterminant MatrixDiag
    MatrixDiagPart MatrixDiagPartV2 MatrixDiagPartV3 MatrixDiagV2 MatrixDiagV3
    MatrixExponential MatrixInverse MatrixLogarithm MatrixSetDiag MatrixSetDiagV2
    MatrixSetDiagV3 MatrixSolve MatrixSolveLs MatrixSquareRoot MatrixTriangularSolve Qr RFFT
    RFFT2D RFFT3D RFFTND SelfAdjointEig SelfAdjointEigV2 SparseMatMul Svd TridiagonalMatMul
    TridiagonalSolve
    """,
    # Layers of networks.
    """
    ApproxTopK AvgPool AvgPool3D BatchNormWithGlobalNormalization BatchToSpace
    BatchToSpaceND BiasAdd BiasAddV1 BlockLSTM BlockLSTMV2 CTCBeamSearchDecoder
    CTCGreedyDecoder CTCLoss CTCLossV2 Conv Conv2D Conv3D DataFormatDimMap
    DataFormatVecPermute DepthToSpace DepthwiseConv2dNative Dilation2D Elu FractionalAvgPool
    FractionalMaxPool FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 FusedPadConv2D
    FusedResizeAndPadConv2D GRUBlockCell InTopK InTopKV2 IsotonicRegression
    KthOrderStatistic L2Loss LRN LSTMBlockCell LeakyRelu LogSoftmax MakeUnique MaxPool
    MaxPool3D MaxPoolV2 MaxPoolWithArgmax NthElement Relu Relu6 Selu Softmax
    SoftmaxCrossEntropyWithLogits Softplus Softsign SpaceToBatch SpaceToBatchND SpaceToDepth
    SparseSoftmaxCrossEntropyWithLogits TopK TopKUnique TopKV2 TopKWithUnique
    """,
    # Layers that an optimizer of graphs has joined.
    """
    _FusedBatchNormEx _FusedConv2D _FusedConv3D _FusedDepthwiseConv2dNative _FusedMatMul
    """,
    # 8-bit values.
    """
    Dequantize FakeQuantWithMinMaxArgs FakeQuantWithMinMaxArgsGradient
    FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsGradient
    FakeQuantWithMinMaxVarsPerChannel FakeQuantWithMinMaxVarsPerChannelGradient
    QuantizeAndDequantize QuantizeAndDequantizeV2 QuantizeAndDequantizeV3
    QuantizeAndDequantizeV4 QuantizeAndDequantizeV4Grad QuantizeDownAndShrinkRange
    QuantizeV2 QuantizedAdd QuantizedAvgPool QuantizedBatchNormWithGlobalNormalization
    QuantizedBiasAdd QuantizedConcat QuantizedConcatV2 QuantizedConv2D
    QuantizedConv2DAndRelu QuantizedConv2DAndReluAndRequantize QuantizedConv2DAndRequantize
    QuantizedConv2DPerChannel QuantizedConv2DWithBias QuantizedConv2DWithBiasAndRelu
    QuantizedConv2DWithBiasAndReluAndRequantize QuantizedConv2DWithBiasAndRequantize
    QuantizedConv2DWithBiasSignedSumAndReluAndRequantize QuantizedConv2DWithBiasSumAndRelu
    QuantizedConv2DWithBiasSumAndReluAndRequantize QuantizedDepthwiseConv2D
    QuantizedDepthwiseConv2DWithBias QuantizedDepthwiseConv2DWithBiasAndRelu
    QuantizedDepthwiseConv2DWithBiasAndReluAndRequantize QuantizedInstanceNorm
    QuantizedMatMul QuantizedMatMulWithBias QuantizedMatMulWithBiasAndDequantize
    QuantizedMatMulWithBiasAndRelu QuantizedMatMulWithBiasAndReluAndRequantize
    QuantizedMatMulWithBiasAndRequantize QuantizedMaxPool QuantizedMul QuantizedRelu
    QuantizedRelu6 QuantizedReluX QuantizedReshape QuantizedResizeBilinear
    RequantizationRange RequantizationRangePerChannel Requantize RequantizePerChannel
    UniformDequantize UniformQuantize UniformQuantizedAdd UniformQuantizedClipByValue
    UniformQuantizedConvolution UniformQuantizedConvolutionHybrid UniformQuantizedDot
    UniformQuantizedDotHybrid UniformRequantize
    """,
    # Gradients.
    """
    AvgPool3DGrad AvgPoolGrad BatchCholeskyGrad BatchNormWithGlobalNormalizationGrad
    BiasAddGrad BlockLSTMGrad BlockLSTMGradV2 BroadcastGradientArgs CholeskyGrad
    Conv2DBackpropFilter Conv2DBackpropFilterV2 Conv2DBackpropInput Conv2DBackpropInputV2
    Conv3DBackpropFilter Conv3DBackpropFilterV2 Conv3DBackpropInput Conv3DBackpropInputV2
    CropAndResizeGradBoxes CropAndResizeGradImage DepthwiseConv2dNativeBackpropFilter
    DepthwiseConv2dNativeBackpropInput Dilation2DBackpropFilter Dilation2DBackpropInput
    EluGrad FractionalAvgPoolGrad FractionalMaxPoolGrad FusedBatchNormGrad
    FusedBatchNormGradV2 FusedBatchNormGradV3 GRUBlockCellGrad IgammaGradA InvGrad LRNGrad
    LSTMBlockCellGrad LeakyReluGrad MaxPool3DGrad MaxPool3DGradGrad MaxPoolGrad
    MaxPoolGradGrad MaxPoolGradGradV2 MaxPoolGradGradWithArgmax MaxPoolGradV2
    MaxPoolGradWithArgmax MirrorPadGrad RaggedFillEmptyRowsGrad
    RaggedTensorToVariantGradient RandomGammaGrad ReciprocalGrad Relu6Grad ReluGrad
    ResizeBicubicGrad ResizeBilinearGrad ResizeNearestNeighborGrad RsqrtGrad
    ScaleAndTranslateGrad SeluGrad SigmoidGrad SoftplusGrad SoftsignGrad SparseAddGrad
    SparseFillEmptyRowsGrad SparseMatrixSoftmaxGrad SparseSegmentMeanGrad
    SparseSegmentMeanGradV2 SparseSegmentSqrtNGrad SparseSegmentSqrtNGradV2
    SparseSegmentSumGrad SparseSegmentSumGradV2 SparseSliceGrad SqrtGrad StridedSliceGrad
    TanhGrad TensorArrayGrad TensorArrayGradV2 TensorArrayGradV3 TensorArrayGradWithShape
    TileGrad
    """,
    # Random numbers.
    """
    Multinomial ParameterizedTruncatedNormal RandomCrop RandomGamma RandomIndexShuffle
    RandomPoisson RandomPoissonV2 RandomShuffle RandomStandardNormal RandomUniform
    RandomUniformInt SampleDistortedBoundingBox SampleDistortedBoundingBoxV2 SobolSample
    StatefulStandardNormal StatefulStandardNormalV2 StatefulTruncatedNormal StatefulUniform
    StatefulUniformFullInt StatefulUniformInt StatelessMultinomial
    StatelessParameterizedTruncatedNormal StatelessRandomBinomial StatelessRandomGammaV2
    StatelessRandomGammaV3 StatelessRandomGetKeyCounter StatelessRandomGetKeyCounterAlg
    StatelessRandomNormal StatelessRandomNormalV2 StatelessRandomPoisson
    StatelessRandomUniform StatelessRandomUniformFullInt StatelessRandomUniformFullIntV2
    StatelessRandomUniformInt StatelessRandomUniformIntV2 StatelessRandomUniformV2
    StatelessSampleDistortedBoundingBox StatelessShuffle StatelessTruncatedNormal
    StatelessTruncatedNormalV2 StochasticCastToInt TruncatedNormal
    """,
    # Images.
    """
    AdjustContrast AdjustContrastv2 AdjustHue AdjustSaturation CombinedNonMaxSuppression
    CropAndResize DecodeAndCropJpeg DecodeBmp DecodeGif DecodeImage DecodeJpeg DecodeJxl
    DecodePng DecodeWebP DrawBoundingBoxes DrawBoundingBoxesV2 EncodeJpeg
    EncodeJpegVariableQuality EncodePng ExtractGlimpse ExtractGlimpseV2 ExtractImagePatches
    ExtractJpegShape ExtractVolumePatches GenerateBoundingBoxProposals HSVToRGB
    ImageProjectiveTransformV2 ImageProjectiveTransformV3 NonMaxSuppression
    NonMaxSuppressionV2 NonMaxSuppressionV3 NonMaxSuppressionV4 NonMaxSuppressionV5
    NonMaxSuppressionWithOverlaps RGBToHSV ResizeArea ResizeBicubic ResizeBilinear
    ResizeNearestNeighbor ScaleAndTranslate
    """,
    # Sound.
    """
    AudioSpectrogram DecodeWav EncodeWav Mfcc
    """,
    # Strings and records. None takes the name of a file.
    """
    AsString DecodeBase64 DecodeCSV DecodeCompressed DecodeJSONExample DecodePaddedRaw
    DecodeRaw EditDistance EncodeBase64 Fingerprint ParseExample ParseExampleV2
    ParseSequenceExample ParseSequenceExampleV2 ParseSingleExample
    ParseSingleSequenceExample ParseTensor ReduceJoin RegexFullMatch RegexReplace
    SerializeTensor StaticRegexFullMatch StaticRegexReplace StringFormat StringJoin
    StringLength StringLower StringNGrams StringSplit StringSplitV2 StringStrip
    StringToHashBucket StringToHashBucketFast StringToHashBucketStrong StringToNumber
    StringUpper Substr UnicodeDecode UnicodeDecodeWithOffsets UnicodeEncode UnicodeScript
    UnicodeTranscode UnsortedSegmentJoin
    """,
    # Sparse and ragged tensors, and sets.
    """
    CSRSparseMatrixComponents CSRSparseMatrixToDense CSRSparseMatrixToSparseTensor
    DenseCountSparseOutput DenseToCSRSparseMatrix DenseToDenseSetOperation
    DenseToSparseSetOperation DeserializeManySparse DeserializeSparse RaggedBincount
    RaggedCountSparseOutput RaggedCross RaggedFillEmptyRows RaggedGather RaggedRange
    RaggedTensorFromVariant RaggedTensorToSparse RaggedTensorToTensor RaggedTensorToVariant
    SerializeManySparse SerializeSparse SetSize SparseAdd SparseBincount SparseConcat
    SparseCountSparseOutput SparseCross SparseCrossHashed SparseCrossV2 SparseDenseCwiseAdd
    SparseDenseCwiseDiv SparseDenseCwiseMul SparseFillEmptyRows SparseMatrixAdd
    SparseMatrixMatMul SparseMatrixMul SparseMatrixNNZ SparseMatrixOrderingAMD
    SparseMatrixSoftmax SparseMatrixSparseCholesky SparseMatrixSparseMatMul
    SparseMatrixTranspose SparseMatrixZeros SparseReduceMax SparseReduceMaxSparse
    SparseReduceSum SparseReduceSumSparse SparseReorder SparseReshape SparseSegmentMean
    SparseSegmentMeanWithNumSegments SparseSegmentSqrtN SparseSegmentSqrtNWithNumSegments
    SparseSegmentSum SparseSegmentSumWithNumSegments SparseSlice SparseSoftmax
    SparseSparseMaximum SparseSparseMinimum SparseSplit SparseTensorDenseAdd
    SparseTensorDenseMatMul SparseTensorToCSRSparseMatrix SparseToDense
    SparseToSparseSetOperation
    """,
    # Lists and maps of tensors.
    """
    EmptyTensorList EmptyTensorMap Stack StackClose StackCloseV2 StackPop StackPopV2
    StackPush StackPushV2 StackV2 TensorArray TensorArrayClose TensorArrayCloseV2
    TensorArrayCloseV3 TensorArrayConcat TensorArrayConcatV2 TensorArrayConcatV3
    TensorArrayGather TensorArrayGatherV2 TensorArrayGatherV3 TensorArrayPack
    TensorArrayRead TensorArrayReadV2 TensorArrayReadV3 TensorArrayScatter
    TensorArrayScatterV2 TensorArrayScatterV3 TensorArraySize TensorArraySizeV2
    TensorArraySizeV3 TensorArraySplit TensorArraySplitV2 TensorArraySplitV3
    TensorArrayUnpack TensorArrayV2 TensorArrayV3 TensorArrayWrite TensorArrayWriteV2
    TensorArrayWriteV3 TensorListConcat TensorListConcatLists TensorListConcatV2
    TensorListElementShape TensorListFromTensor TensorListGather TensorListGetItem
    TensorListLength TensorListPopBack TensorListPushBack TensorListPushBackBatch
    TensorListReserve TensorListResize TensorListScatter TensorListScatterIntoExistingList
    TensorListScatterV2 TensorListSetItem TensorListSplit TensorListStack TensorMapErase
    TensorMapHasKey TensorMapInsert TensorMapLookup TensorMapSize TensorMapStackKeys
    """,
    # Variables and tables, which stay in memory.
    """
    Assign AssignAdd AssignAddVariableOp AssignSub AssignSubVariableOp AssignVariableOp
    CountUpTo DeepCopy DestroyTemporaryVariable Empty HashTable HashTableV2 InitializeTable
    InitializeTableV2 InplaceAdd InplaceSub InplaceUpdate IsVariableInitialized
    LookupTableFind LookupTableFindV2 LookupTableSize LookupTableSizeV2 ReadVariableOp
    ResourceGather ResourceGatherNd ScatterAdd ScatterDiv ScatterMax ScatterMin ScatterMul
    ScatterNdAdd ScatterNdMax ScatterNdMin ScatterNdSub ScatterNdUpdate ScatterSub
    ScatterUpdate StridedSliceAssign TemporaryVariable VarHandleOp VarIsInitializedOp
    Variable VariableShape VariableV2
    """,
    # Summaries: they return bytes, and write nothing.
    """
    AudioSummary AudioSummaryV2 HistogramSummary ImageSummary MergeSummary ScalarSummary
    TensorSummary TensorSummaryV2
    """,
    # Networks that TensorRT runs. `validation.check_engines` looks at what is in them.
    """
    TRTEngineOp
    """,
)
ALLOWED = frozenset(' '.join(_GROUPS).split())
