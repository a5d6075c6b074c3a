-- Events that stand for more than one, because the others were sampled away.
ALTER TABLE sli_slices ADD COLUMN GoodExtra SimpleAggregateFunction(sum, UInt64) COMMENT 'What sampled good events stand for beyond themselves, in millionths';
ALTER TABLE sli_slices ADD COLUMN ValidExtra SimpleAggregateFunction(sum, UInt64) COMMENT 'What sampled valid events stand for beyond themselves, in millionths';
ALTER TABLE sli_slices ADD COLUMN Squares SimpleAggregateFunction(sum, UInt64) COMMENT 'Sum of the squares of the weights of valid events, less their number';
ALTER TABLE sli_slices ADD COLUMN Weighted SimpleAggregateFunction(sum, UInt64) COMMENT 'Valid events that said how many they stand for';
